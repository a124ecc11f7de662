"""What the nightly jobs do, on a Redis that a test filled."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from redis import Redis

from services.jobs.config import NoConfigError
from services.jobs.housekeeping.history import check_history
from services.jobs.housekeeping.logs import GONE_S, retain_logs
from services.jobs.housekeeping.sessions import clean_sessions
from services.jobs.housekeeping.snapshots import KEPT, snapshot_config
from services.jobs.job import JobRun
from shared.bus.client import blocking_client
from shared.bus.keys import Keys
from shared.jobs import Kind
from shared.settings import load_settings

KEYS = Keys()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with blocking_client(redis_url, "test") as client:
        yield client


@pytest.fixture
def run(redis: Redis, redis_url: str, tmp_path: Path) -> JobRun:
    settings = load_settings({"DUMB_HOME": str(tmp_path), "REDIS_URL": redis_url})
    log = logging.getLogger("test")
    return JobRun("job", Kind.CONFIG_SNAPSHOT, settings, KEYS, redis, log)


def _publish(redis: Redis, tree: dict[str, Any]) -> None:
    redis.set(KEYS.config, orjson.dumps({"file": tree, "effective": {**tree, "added": 1}}))
    redis.set(KEYS.config_version, 1)


def test_a_snapshot_is_of_the_file_private_and_not_written_twice(run: JobRun) -> None:
    with pytest.raises(NoConfigError):
        snapshot_config(run)
    _publish(run.redis, {"a": 1})
    first = snapshot_config(run)
    path = run.data_dir / "snapshots" / first["written"]
    assert orjson.loads(path.read_bytes()) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert snapshot_config(run) == {"written": None, "kept": 1, "version": "1"}
    path.write_bytes(b"{broken")
    assert snapshot_config(run)["written"] is not None


def test_only_the_last_snapshots_are_kept_and_other_files_stay(run: JobRun) -> None:
    directory = run.data_dir / "snapshots"
    directory.mkdir(parents=True)
    for day in range(1, KEPT + 5):
        (directory / f"dumb_config-202601{day:02}T031000Z.json").write_text("{}")
    (directory / "mine.json").write_text("{}")
    _publish(run.redis, {"a": 2})
    assert snapshot_config(run)["kept"] == KEPT
    names = sorted(path.name for path in directory.iterdir())
    assert len(names) == KEPT + 1
    assert names[0] == "dumb_config-20260106T031000Z.json"
    assert names[-1] == "mine.json"


def _users(redis: Redis, **epochs: int) -> None:
    redis.delete(KEYS.auth_users)
    for name, epoch in epochs.items():
        account = {"username": name, "tokens_epoch": epoch, "disabled": name == "off"}
        redis.hset(KEYS.auth_users, name, orjson.dumps(account))
    redis.hset(KEYS.auth_settings, mapping={"epoch": "1", "users": str(len(epochs))})


def _session(redis: Redis, family: str, username: str, epoch: int, **more: str) -> None:
    fields = {"username": username, "tokens_epoch": str(epoch), **more}
    redis.hset(KEYS.session(family), mapping=cast("dict[Any, Any]", fields))
    redis.expire(KEYS.session(family), 1000)


def test_logins_that_admit_nobody_are_deleted(run: JobRun) -> None:
    _users(run.redis, ann=3, off=1)
    _session(run.redis, "good", "ann", 3)
    _session(run.redis, "old", "ann", 2)
    _session(run.redis, "gone", "bob", 1)
    _session(run.redis, "disabled", "off", 1)
    _session(run.redis, "ended", "ann", 3, revoked="logout")
    # A token of the original that was ended: without the mark it would be new again.
    _session(run.redis, "o-ended", "", 0, revoked="logout")
    run.redis.set(KEYS.session("text"), "no hash")
    run.redis.persist(KEYS.session("good"))
    assert clean_sessions(run) == {"deleted": 5, "looked_at": 7}
    left = {key.decode() for key in cast("list[bytes]", run.redis.keys("dumb:session:*"))}
    assert left == {"dumb:session:good", "dumb:session:o-ended"}
    assert run.redis.ttl(KEYS.session("good")) > 0


@pytest.mark.parametrize("trouble", ["no settings", "no users", "half", "unreadable"])
def test_while_the_accounts_are_not_known_no_login_is_deleted(run: JobRun, trouble: str) -> None:
    _users(run.redis, ann=1)
    if trouble == "no settings":
        run.redis.delete(KEYS.auth_settings)
    elif trouble == "no users":
        run.redis.delete(KEYS.auth_users)
    elif trouble == "half":
        run.redis.hset(KEYS.auth_settings, "users", "2")
    else:
        run.redis.hset(KEYS.auth_users, "ann", "[]")
    _session(run.redis, "gone", "bob", 1)
    assert clean_sessions(run)["deleted"] == 0
    assert run.redis.exists(KEYS.session("gone"))


def _log(redis: Redis, name: str) -> None:
    redis.xadd(KEYS.log(name), {"chunk": "x\n"}, id="2-0")
    redis.hset(KEYS.logmeta(name), "size", "2")


def test_the_log_of_a_removed_service_is_deleted_a_week_later(run: JobRun) -> None:
    redis = run.redis
    _publish(redis, {"web": {"process_name": "Web"}})
    redis.sadd(KEYS.services, "Other")
    for name in ("Web", "Web:output", "Other", "Removed", "Removed:output"):
        _log(redis, name)
    assert "skipped" in retain_logs(run)  # nobody says which services there are
    redis.hset(KEYS.supervisor, "phase", "ready")
    found = retain_logs(run)
    assert (found["deleted"], found["without_service"]) == ([], ["Removed", "Removed:output"])
    week = time.time() - GONE_S
    redis.hset(KEYS.jobs_gone, mapping={"Removed": week, "Removed:output": week, "Web": week})
    found = retain_logs(run)
    assert found["deleted"] == ["Removed", "Removed:output"]
    assert found["logs"] == 3
    assert not redis.exists(KEYS.log("Removed"), KEYS.logmeta("Removed"))
    assert redis.hlen(KEYS.jobs_gone) == 0  # Web is there: what was noted of it is forgotten


def test_a_tier_that_stands_still_or_has_holes_is_named(run: JobRun) -> None:
    now = int(time.time() * 1000)
    for back in range(20, 0, -1):
        run.redis.xadd(KEYS.metrics_history("fast"), {"d": "x"}, id=f"{now - back * 1000}-0")
        run.redis.xadd(
            KEYS.metrics_history("late"), {"d": "x"}, id=f"{now - back * 1000 - 10**7}-0"
        )
    for at in (900_000, 899_000, 898_000, 300_000, 299_000):
        run.redis.xadd(KEYS.metrics_history("holed"), {"d": "x"}, id=f"{now - at}-0")
    found = check_history(run)
    assert set(found["late"]) == {"late", "holed"}
    assert found["tiers"]["holed"]["holes"] == 1
    assert found["tiers"]["fast"]["entries"] == 20
    assert found["tiers"]["fast"]["pace_s"] == 1.0
