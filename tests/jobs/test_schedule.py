"""When jobs run: slots, restarts, two schedulers, intervals."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import orjson
import pytest
from redis import Redis

from services.jobs.schedule import Record, Schedule, next_slot
from shared.bus.client import blocking_client
from shared.bus.keys import Keys
from shared.jobs import Kind, kind_of

KEYS = Keys()
DAY = 86_400.0


def _at(text: str) -> float:
    """Local time to epoch seconds."""
    return datetime.fromisoformat(text).astimezone().timestamp()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with blocking_client(redis_url, "test") as client:
        yield client


def _schedule(redis: Redis, now: float) -> Schedule:
    schedule = Schedule(redis, KEYS)
    schedule.take_over(now)
    return schedule


def _jobs(redis: Redis, kind: Kind) -> list[str]:
    found = cast("list[bytes]", redis.keys("rq:job:*"))
    names = [key.decode().removeprefix("rq:job:") for key in found]
    return sorted(name for name in names if kind_of(name) is kind)


def _record(redis: Redis, kind: Kind) -> Record:
    return Record.parse(cast("bytes | None", redis.hget(KEYS.jobs_schedule, str(kind))))


def test_the_slot_after_a_moment_is_in_local_time() -> None:
    noon = _at("2026-03-10T12:00:00")
    assert next_slot("10 3 * * *", noon) == _at("2026-03-11T03:10:00")
    assert next_slot("*/10 * * * *", noon) == noon + 600


def test_the_first_start_runs_nothing_and_knows_what_comes(redis: Redis) -> None:
    noon = _at("2026-03-10T12:00:00")
    _schedule(redis, noon).turn(noon)
    assert redis.keys("rq:job:*") == []
    assert _record(redis, Kind.CONFIG_SNAPSHOT).next_at == _at("2026-03-11T03:10:00")


def test_restarts_run_a_slot_once_and_a_missed_one_once(redis: Redis) -> None:
    noon = _at("2026-03-10T12:00:00")
    _schedule(redis, noon).turn(noon)
    later = _at("2026-03-14T12:00:00")
    for _ in range(5):  # a program that dies at once, five times, after four days
        _schedule(redis, later).turn(later)
        later += 1
    assert len(_jobs(redis, Kind.CONFIG_SNAPSHOT)) == 1
    assert _record(redis, Kind.CONFIG_SNAPSHOT).next_at == _at("2026-03-15T03:10:00")


def test_two_schedulers_and_a_lost_record_make_one_job_of_a_slot(redis: Redis) -> None:
    noon = _at("2026-03-10T12:00:00")
    one, two = _schedule(redis, noon), _schedule(redis, noon)
    night = _at("2026-03-11T03:10:00")
    one.turn(night)
    two.turn(night + 0.5)
    (name,) = _jobs(redis, Kind.CONFIG_SNAPSHOT)
    assert name == f"config-snapshot-{datetime.fromtimestamp(night, UTC):%Y%m%dT%H%M%S}-000"
    waiting = redis.llen("rq:queue:dumb:long") + redis.llen("rq:queue:dumb:quick")
    assert waiting == len(redis.keys("rq:job:*"))


def test_garbage_in_the_record_is_no_reason_to_stop(redis: Redis) -> None:
    redis.hset(KEYS.jobs_schedule, mapping={"config-snapshot": "[1", "log-retention": "[]"})
    noon = _at("2026-03-10T12:00:00")
    _schedule(redis, noon).turn(noon)
    assert _record(redis, Kind.LOG_RETENTION).next_at > noon


def _end(redis: Redis, name: str, at: float) -> None:
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    redis.hset(f"rq:job:{name}", mapping={"status": "finished", "ended_at": moment})


def test_an_interval_counts_from_the_end_of_the_last_run(redis: Redis) -> None:
    start = _at("2026-03-10T12:00:00")
    schedule = _schedule(redis, start)
    schedule.set_interval(Kind.SEERR_SYNC, 60)
    schedule.turn(start)
    (first,) = _jobs(redis, Kind.SEERR_SYNC)
    schedule.turn(start + 500)  # it still runs
    assert _jobs(redis, Kind.SEERR_SYNC) == [first]
    assert _record(redis, Kind.SEERR_SYNC).next_at == 0
    _end(redis, first, start + 501)
    schedule.turn(start + 502)
    assert _record(redis, Kind.SEERR_SYNC).next_at == start + 561
    again = _schedule(redis, start + 503)  # a restart does not hurry it
    again.set_interval(Kind.SEERR_SYNC, 60)
    again.turn(start + 560)
    assert _jobs(redis, Kind.SEERR_SYNC) == [first]
    again.turn(start + 561.5)
    assert len(_jobs(redis, Kind.SEERR_SYNC)) == 2


def test_an_interval_that_is_taken_away_or_changed_counts_at_once(redis: Redis) -> None:
    start = _at("2026-03-10T12:00:00")
    schedule = _schedule(redis, start)
    schedule.set_interval(Kind.SEERR_SYNC, 60)
    schedule.turn(start)
    (first,) = _jobs(redis, Kind.SEERR_SYNC)
    _end(redis, first, start + 1)
    schedule.set_interval(Kind.SEERR_SYNC, None)
    schedule.turn(start + 3600)
    assert _jobs(redis, Kind.SEERR_SYNC) == [first]
    assert orjson.loads(redis.hget(KEYS.jobs_schedule, "seerr-sync") or b"")["next_at"] == 0
    schedule.set_interval(Kind.SEERR_SYNC, 600, now=True)
    schedule.turn(start + 3601)
    assert len(_jobs(redis, Kind.SEERR_SYNC)) == 2
