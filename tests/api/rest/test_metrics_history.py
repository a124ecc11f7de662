"""`GET /metrics/history`, `history_series`, `history/storage` and the import."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.api.rest.conftest import Api
from tests.support.collector import CollectorProcess
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.past import past_snapshot, write_past
from tests.support.wait import wait_until_sync

HOUR = 3600
STEP = 20


@pytest_asyncio.fixture
async def now(supervisor: ScriptedSupervisor) -> AsyncIterator[float]:
    """Eight hours of samples, the last one a moment ago."""
    now = time.time()
    times = [now - 8 * HOUR + STEP * n for n in range(8 * HOUR // STEP)]
    await write_past(supervisor.redis, supervisor.keys, times, now)
    yield now


async def _get(api: Api, path: str) -> Any:
    answer = await api.http.get(f"/metrics/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_empty_history(api: Api) -> None:
    assert await _get(api, "history") == {"items": [], "truncated": False}
    found = await _get(api, "history_series")
    assert (found["items"], found["timestamps"], found["stats"]) == ([], [], None)
    assert (found["bucket_seconds"], found["truncated"]) == (37, False)
    assert found["series"]["cpu"] == found["series"]["net_sent_rate"] == []


async def test_full_snapshots_of_six_hours_and_of_more(api: Api, now: float) -> None:
    found = await _get(api, "history")
    assert len(found["items"]) == pytest.approx(6 * HOUR // STEP, abs=3)
    last = found["items"][-1]
    assert last == past_snapshot(last["timestamp"])
    times = [item["timestamp"] for item in found["items"]]
    assert times == sorted(times)
    more = await _get(api, f"history?since={now - 7 * HOUR}&limit=0")
    assert len(more["items"]) - len(found["items"]) == pytest.approx(60, abs=3), "one a minute"
    everything = await _get(api, "history?full=true&limit=-1")
    assert len(everything["items"]) - len(more["items"]) == pytest.approx(60, abs=3)


async def test_a_limit_keeps_the_newest_and_says_so(api: Api, now: float) -> None:
    everything = await _get(api, f"history?since={now - 7 * HOUR}&limit=0")
    found = await _get(api, f"history?since={now - 7 * HOUR}&limit=1100")
    assert found["truncated"] is True
    assert found["items"] == everything["items"][-1100:]
    exact = await _get(api, f"history?since={now - 7 * HOUR}&limit={len(everything['items'])}")
    assert exact["truncated"] is True
    assert exact["items"] == everything["items"]


async def test_a_chart_of_a_long_window_comes_from_minutes_and_ends_now(
    api: Api, now: float
) -> None:
    found = await _get(api, f"history_series?since={now - 24 * HOUR}")
    assert found["bucket_seconds"] in {144, 145}
    times = found["timestamps"]
    assert len(times) == len(found["items"]) == len(found["series"]["cpu"])
    assert len(times) == pytest.approx(8 * HOUR / 144, abs=4)
    assert times == sorted(times)
    assert times[-1] == pytest.approx(now, abs=2 * STEP), "the open minute is there too"
    rates = found["series"]["net_sent_rate"]
    assert rates[0] is None
    assert all(rate == pytest.approx(1, abs=0.05) for rate in rates[1:])
    assert found["stats"]["cpu"]["max"] > 40 - STEP, "extremes of samples, not of averages"
    item = found["items"][0]
    assert set(item) == {"timestamp", "system", "dumb_managed", "external", "database_health"}
    assert "threads" not in item["dumb_managed"][0]


async def test_buckets_and_points(api: Api, now: float) -> None:
    since = now - HOUR
    fine = await _get(api, f"history_series?since={since}&max_points=0")
    assert fine["bucket_seconds"] is None
    assert len(fine["timestamps"]) == pytest.approx(HOUR // STEP, abs=2)
    coarse = await _get(api, f"history_series?since={since}&bucket_seconds=600")
    assert coarse["bucket_seconds"] == 600
    assert len(coarse["timestamps"]) in {6, 7}
    assert set(coarse["timestamps"]) <= set(fine["timestamps"])
    few = await _get(api, "history_series?full=true&max_points=10")
    assert few["bucket_seconds"] is None
    assert len(few["timestamps"]) <= 11


ODD = ("since=nan", "since=inf", "since=x", "limit=x", "limit=1.5", "full=maybe", "since=")
FINE = (
    "since=1e300", "since=-1e300", "since=99999999999", "limit=-1", "limit=0",
    f"limit={10**30}", f"limit=-{10**30}", "limit=1",
)  # fmt: skip
SERIES_FINE = (
    "max_points=0", "max_points=-1", f"max_points={10**400}", "bucket_seconds=0",
    "bucket_seconds=-5", f"bucket_seconds={10**30}", "full=1&bucket_seconds=7", "max_points=1",
)  # fmt: skip


@pytest.mark.parametrize("path", ["history", "history_series"])
async def test_odd_numbers(api: Api, now: float, path: str) -> None:
    assert now
    for query in ODD:
        answer = await api.http.get(f"/metrics/{path}?{query}")
        assert answer.status_code == 422, query
        assert isinstance(answer.json()["detail"], list)
    for query in FINE + (SERIES_FINE if path == "history_series" else ()):
        await _get(api, f"{path}?{query}")


async def test_rows_that_somebody_spoilt_are_left_out(
    api: Api, supervisor: ScriptedSupervisor, now: float
) -> None:
    before = await _get(api, f"history_series?since={now - HOUR}&max_points=0")
    redis, keys = supervisor.redis, supervisor.keys
    for fields in (
        {"p": b"{", "c": b"x", "n": 1},
        {"p": b"[]", "c": b"x", "n": 1},
        {"p": b'{"t":1,"g":7,"n":{}}', "c": b"x", "n": 1},
        {"p": b'{"t":1,"g":{},"n":{}}', "c": b"x", "n": 1},
        {"p": b'{"t":1,"g":{"cpu":"x"},"n":{}}', "c": b"x", "n": 1},
        {"p": b'{"t":1,"g":{},"n":{"net_sent":"x"}}', "c": b"x", "n": 1},
        {"p": b'{"t":1,"g":{"cpu":1},"n":{},"lo":{"cpu":null},"hi":{"cpu":1}}', "c": b"x", "n": 1},
        {"p": b"{}", "c": b"x", "n": "x"},
        {"x": b"y"},
    ):
        await redis.xadd(keys.metrics_history("raw"), fields)  # type: ignore[arg-type]
        await redis.xadd(keys.metrics_snapshots("raw"), {"s": b"x", "n": 1, "d": "none"})
    after = await _get(api, f"history_series?since={now - HOUR}&max_points=0")
    assert after["timestamps"] == before["timestamps"]
    await _get(api, "history")


async def test_the_account_of_the_storage(
    api: Api, supervisor: ScriptedSupervisor, now: float
) -> None:
    empty = {"sqlite", "postgresql", "legacy_jsonl", "configured_provider", "active_provider",
             "fallback_active", "last_error", "last_postgresql_success"}  # fmt: skip
    found = await _get(api, "history/storage?probe_postgresql=true")
    assert set(found) == empty
    kept = found["sqlite"]
    assert kept["samples"] == sum(tier["samples"] for tier in kept["tiers"].values())
    assert kept["tiers"]["raw"]["samples"] == pytest.approx(6 * HOUR // STEP, abs=2)
    assert kept["raw_bytes"] > kept["compressed_bytes"] > 0
    assert kept["file_bytes"] > kept["compressed_bytes"]
    assert kept["compression_ratio"] == pytest.approx(
        kept["raw_bytes"] / kept["compressed_bytes"], abs=0.01
    )
    assert kept["newest_timestamp"] == pytest.approx(now, abs=2 * STEP)
    assert kept["oldest_timestamp"] == pytest.approx(now - 8 * HOUR, abs=2 * 60)
    assert found["legacy_jsonl"]["migration"]["completed"] is False
    metrics = {"storage": {"provider": "postgresql"}}
    await supervisor.publish_config({"dumb": {"metrics": metrics}}, version=2)
    found = await _get(api, "history/storage")
    assert (found["configured_provider"], found["fallback_active"]) == ("postgresql", True)
    assert "Redis" in found["last_error"]


async def test_an_import_without_a_collector_is_a_503(api: Api) -> None:
    answer = await api.http.post("/metrics/history/migrate")
    assert answer.status_code == 503


async def test_an_import_through_a_real_collector(
    api: Api, supervisor: ScriptedSupervisor, redis_url: str, tmp_path: Path
) -> None:
    history = tmp_path / "history"
    await supervisor.publish_config(
        {"dumb": {"metrics": {"history_dir": str(history), "history_interval_sec": 0.5}}}
    )
    collector = CollectorProcess(tmp_path, redis_url)
    try:
        collector.start()
        history.mkdir()
        begin = time.time() - 7200
        lines = [orjson.dumps(past_snapshot(begin + 10 * n)) for n in range(600)]
        (history / "old.jsonl").write_bytes(b"\n".join(lines))
        answer = await api.http.post("/metrics/history/migrate?force=true")
        assert answer.json() == {"completed": True, "files": 1, "samples": 600, "skipped": 0}
        found = await _get(api, "history/storage")
        assert found["legacy_jsonl"]["files"] == 1
        assert found["legacy_jsonl"]["migration"]["samples"] == 600
        rows = await _get(api, f"history_series?since={begin - 1}&max_points=0")
        assert rows["timestamps"][:600] == [begin + 10 * n for n in range(600)]
    finally:
        await asyncio.to_thread(collector.close)


def test_a_killed_collector_loses_a_sample_at_most(tmp_path: Path, redis_url: str) -> None:
    collector = CollectorProcess(tmp_path, redis_url)
    config = {"effective": {"dumb": {"metrics": {"history_interval_sec": 0.5}}}}
    collector.redis.set(collector.keys.config, orjson.dumps(config))
    stream = collector.keys.metrics_history("raw")

    def length() -> int:
        return int(collector.redis.xlen(stream))

    try:
        collector.start()
        wait_until_sync(lambda: length() >= 3, timeout=10)
        collector.kill()
        kept = length()
        collector.start()
        wait_until_sync(lambda: length() >= kept + 2, timeout=10)
        entries: Any = collector.redis.xrange(stream)
        times = [orjson.loads(fields[b"p"])["t"] for _, fields in entries]
        assert times == sorted(times)
    finally:
        collector.close()
