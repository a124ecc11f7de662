"""The history in Redis: rows of every tier, limits, an account that is true, the former history."""

import gzip
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from services.metrics.history.encoding import FIRST_AFTER_ROWS, Encoder
from services.metrics.history.keeper import Keeper
from services.metrics.history.migration import Migration
from services.metrics.history.store import TOTALS, Store
from services.metrics.options import Options
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.bus.metrics import history_rows, snapshot_rows
from shared.metrics.packing import unpack
from shared.metrics.tiers import TIERS

NOW = 1_800_000_000.0
RAW, MINUTES, QUARTERS = TIERS

pytestmark = pytest.mark.redis


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = commands_client(redis_url, "test")
    yield client
    await client.aclose(close_connection_pool=True)


@pytest.fixture
def store(redis: Redis, keys: Keys) -> Store:
    return Store(redis, keys)


def snapshot(at: float, cpu: float = 1.0) -> dict[str, Any]:
    """With enough in it to be worth compressing."""
    names = [f"Service {number}" for number in range(10)]
    system = {"cpu_percent": cpu, "net_io": {"sent_bytes": int(at), "recv_bytes": 1}}
    managed = [{"name": name, "pid": 1, "rss": int(at) % 977, "threads": 3} for name in names]
    return {"timestamp": at, "system": system, "dumb_managed": managed, "external": []}


async def _fill(store: Store, times: list[float]) -> None:
    encoder = Encoder()
    rows = [encoder.encode(int(t * 1000), snapshot(t, t % 60)) for t in times]
    for row in rows:
        if row.dictionary.id:
            await store.save_dictionary(row.dictionary)
    await store.append(RAW, rows)


async def _rows(redis: Redis, keys: Keys, name: str) -> Any:
    return history_rows(await redis.xrange(keys.metrics_history(name)))


async def _totals(redis: Redis, keys: Keys) -> dict[str, dict[str, int]]:
    """By stream: the account, and what is really there."""
    account: Any = await redis.hgetall(keys.metrics_totals)
    found = {}
    for stream in Store(redis, keys).streams():
        entries = await redis.xrange(stream.key)
        rows = stream.rows(entries)
        sums = (len(rows), sum(r.raw_bytes for r in rows), sum(r.packed_bytes for r in rows))
        counted = tuple(int(account.get(f"{stream.key}:{name}".encode(), 0)) for name in TOTALS)
        assert counted == sums, stream.key
        found[stream.key] = dict(zip(TOTALS, sums, strict=True))
    return found


async def test_minutes_and_quarters_are_made_of_samples(
    redis: Redis, keys: Keys, store: Store
) -> None:
    begin = NOW - NOW % 900
    await _fill(store, [begin + 5 * n for n in range(12 * 31)])  # 31 minutes
    await store.roll_up(begin + 31 * 60)
    minutes, quarters = await _rows(redis, keys, "1m"), await _rows(redis, keys, "15m")
    assert [row.point["t"] for row in minutes] == [begin + 60 * n + 55 for n in range(31)]
    assert [row.point["t"] for row in quarters] == [begin + 895, begin + 1795]
    assert minutes[3].point["g"]["cpu"] == pytest.approx(27.5)
    assert (minutes[3].point["lo"]["cpu"], minutes[3].point["hi"]["cpu"]) == (0, 55)
    assert quarters[1].point["lo"]["net_sent"] == quarters[1].point["hi"]["net_sent"] == 1.0
    await store.roll_up(begin + 31 * 60)
    assert len(await _rows(redis, keys, "1m")) == 31, "nothing is made twice"
    (full,) = snapshot_rows(
        await redis.xrange(keys.metrics_snapshots("15m"), min=f"{quarters[1].id}-0")
    )
    dictionary: Any = await redis.hget(keys.metrics_dictionary, full.snapshot.dictionary)
    data = orjson.loads(unpack(full.snapshot.data, dictionary or b""))
    assert data["timestamp"] == begin + 1795
    await _totals(redis, keys)


async def test_a_page_that_cuts_a_minute_does_not_halve_it(
    redis: Redis, keys: Keys, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.metrics.history.store.PAGE", 7)  # pages of 28 samples
    begin = NOW - NOW % 60
    await _fill(store, [begin + 5 * n for n in range(120)])
    await store.roll_up(begin + 600)
    minutes = await _rows(redis, keys, "1m")
    assert [row.point["hi"]["cpu"] for row in minutes] == [55] * 10


async def test_old_rows_go_and_the_account_follows(redis: Redis, keys: Keys, store: Store) -> None:
    await _fill(store, [NOW - 8 * 3600 + 60 * n for n in range(480)])
    await store.roll_up(NOW)
    await store.expire(NOW, 7)
    raw, minutes = await _rows(redis, keys, "raw"), await _rows(redis, keys, "1m")
    assert min(row.point["t"] for row in raw) >= NOW - 6 * 3600
    assert len(raw) == 360
    assert len(minutes) == 480
    await store.expire(NOW, 1 / 24)
    assert {len(await _rows(redis, keys, tier.name)) for tier in (RAW, MINUTES)} == {60}
    await _totals(redis, keys)


async def test_a_history_that_is_too_large_loses_its_oldest_rows(
    redis: Redis, keys: Keys, store: Store
) -> None:
    await _fill(store, [NOW + 5 * n for n in range(600)])
    limit = 150_000
    await store.shrink(limit)
    sizes = [int(await redis.memory_usage(s.key) or 0) for s in store.streams()]
    assert 0 < sum(sizes) <= limit
    raw = await _rows(redis, keys, "raw")
    assert raw[-1].point["t"] == NOW + 5 * 599, "the newest stay"
    assert (await _totals(redis, keys))[keys.metrics_history("raw")]["rows"] == len(raw)
    await store.shrink(1)
    assert await _rows(redis, keys, "raw") == []


async def test_the_account_is_put_right_when_others_changed_what_is_there(
    redis: Redis, keys: Keys, store: Store
) -> None:
    await _fill(store, [NOW + n for n in range(20)])
    await redis.xtrim(keys.metrics_history("raw"), maxlen=5, approximate=False)
    await redis.delete(keys.metrics_snapshots("raw"))
    await store.recount()
    totals = await _totals(redis, keys)
    assert totals[keys.metrics_history("raw")]["rows"] == 5


def test_a_dictionary_comes_with_the_services_and_makes_rows_small() -> None:
    encoder = Encoder()
    rows = [encoder.encode(n, snapshot(NOW + n)) for n in range(FIRST_AFTER_ROWS + 1)]
    assert {row.dictionary.id for row in rows[:FIRST_AFTER_ROWS]} == {""}
    assert rows[-1].dictionary.id == str(FIRST_AFTER_ROWS - 1)
    assert rows[-1].snapshot is not None
    assert rows[0].snapshot is not None
    assert len(rows[-1].snapshot.snapshot.data) < len(rows[0].snapshot.snapshot.data) / 2


async def test_dictionaries_are_kept_as_long_as_rows_need_them(
    redis: Redis, keys: Keys, store: Store
) -> None:
    for name in ("1000", "2000", "3000", "current"):
        await redis.hset(keys.metrics_dictionary, name, "x")
    await store.append(RAW, [Encoder().encode(2500, snapshot(2.5))])
    await store.forget_dictionaries()
    left: Any = await redis.hkeys(keys.metrics_dictionary)
    assert sorted(left) == [b"2000", b"3000", b"current"]


async def test_rows_wait_for_redis_and_are_written_once(
    redis: Redis, keys: Keys, store: Store
) -> None:
    keeper = Keeper(store)
    options = Options()
    written = keeper.encode(snapshot(time.time()))
    keeper.add(written)
    await keeper.flush(options)
    # The answer to this one was lost: it is there, and it is still waiting.
    keeper.add(written)
    keeper._known = False
    keeper.add(keeper.encode(snapshot(time.time())))
    await keeper.flush(options)
    ids = [row.id for row in await _rows(redis, keys, "raw")]
    assert len(ids) == len(set(ids)) == 2


async def test_a_clock_that_was_set_back_does_not_stop_the_history(
    redis: Redis, keys: Keys, store: Store
) -> None:
    keeper = Keeper(store)
    for at in (time.time() + 500, time.time()):
        keeper.add(keeper.encode(snapshot(at)))
        await keeper.flush(Options())
    successor = Keeper(store)
    await successor.flush(Options())
    successor.add(successor.encode(snapshot(time.time())))
    await successor.flush(Options())
    rows = await _rows(redis, keys, "raw")
    assert [row.id - rows[0].id for row in rows] == [0, 1, 2]
    assert rows[1].point["t"] < rows[0].point["t"]


@pytest.mark.parametrize("name", ["history:raw", "snapshots:1m", "totals", "dictionary"])
async def test_a_key_of_another_type_is_set_aside(
    redis: Redis, keys: Keys, store: Store, name: str
) -> None:
    await redis.set(f"dumb:metrics:{name}", "mine")
    keeper = Keeper(store)
    for number in range(FIRST_AFTER_ROWS + 2):
        keeper.add(keeper.encode(snapshot(time.time() - 300 + 10 * number)))
    await keeper.flush(Options())
    await keeper.flush(Options())
    assert len(await _rows(redis, keys, "raw")) == FIRST_AFTER_ROWS + 2
    aside = await redis.keys(f"dumb:metrics:{name}:aside:*")
    assert [await redis.get(key) for key in aside] == [b"mine"]


def _legacy(directory: Path, at: list[float]) -> None:
    lines = [orjson.dumps(snapshot(t)) for t in at]
    half = len(lines) // 2
    (directory / "metrics-1.jsonl").write_bytes(b"\n".join([*lines[:half], b"{broken", b"[]", b""]))
    with gzip.open(directory / "metrics-2.jsonl.gz", "wb") as file:
        file.write(b"\n".join(lines[half - 1 :]))  # one of them twice
    (directory / "notes.txt").write_text("not ours")


async def test_the_former_history_comes_before_ours(
    redis: Redis, keys: Keys, store: Store, tmp_path: Path
) -> None:
    now = time.time()
    ours = [now - 100 + 10 * n for n in range(10)]
    await _fill(store, ours)
    begin = now - 8 * 3600
    old = [begin + 30 * n for n in range(960) if begin + 30 * n < (now - 100) // 60 * 60]
    _legacy(tmp_path, [*old, now - 50])
    options = Options(legacy_dir=str(tmp_path))
    migration = Migration(redis, keys, Keeper(store))
    found = await migration.run(options, force=False)
    assert found == {"completed": True, "files": 2, "samples": len(old), "skipped": 4}
    raw = await _rows(redis, keys, "raw")
    assert [row.point["t"] for row in raw[-10:]] == ours
    recent = sum(1 for t in old if t >= now - 6 * 3600)
    assert recent - 2 <= len(raw) - 10 <= recent, "but for a minute that is cut"
    minutes = await _rows(redis, keys, "1m")
    assert 470 <= len(minutes) <= 481
    assert len(await _rows(redis, keys, "15m")) in {31, 32, 33}
    assert [row.id for row in raw] == sorted({row.id for row in raw})
    await _totals(redis, keys)
    assert await redis.keys("*:import") == []
    again = await migration.run(options, force=True)
    assert (again["samples"], again["files"]) == (0, 2)
    assert len(await _rows(redis, keys, "raw")) == len(raw)
    assert (await migration.run(options, force=False)) == again


async def test_without_a_former_history(
    redis: Redis, keys: Keys, store: Store, tmp_path: Path
) -> None:
    options = Options(legacy_dir=str(tmp_path / "none"))
    migration = Migration(redis, keys, Keeper(store))
    await migration.at_start(options)
    assert (await redis.hget(keys.metrics_migration, "completed")) is None
    found = await migration.run(options, force=False)
    assert found == {"completed": True, "files": 0, "samples": 0, "skipped": 0}


@pytest.mark.parametrize(
    "request_", [b"", b"\xff", b"[]", b'{"id":1}', b'{"id":"x","op":"other","force":true}']
)
async def test_odd_requests_are_ignored(
    redis: Redis, keys: Keys, store: Store, request_: bytes
) -> None:
    await Migration(redis, keys, Keeper(store)).answer(request_, Options())
    assert await redis.keys("*") == []


async def test_half_a_history_that_was_deleted_is_no_obstacle(
    redis: Redis, keys: Keys, store: Store
) -> None:
    """Rows are made anew that the other half still has."""
    await _fill(store, [NOW + second for second in range(0, 300, 5)])
    await store.roll_up(NOW + 300)
    whole = await redis.xlen(keys.metrics_snapshots("1m"))
    await redis.delete(keys.metrics_history("1m"))
    await store.roll_up(NOW + 300)
    assert len(await _rows(redis, keys, "1m")) == whole == 5
    assert await redis.xlen(keys.metrics_snapshots("1m")) == whole
    for account in (await _totals(redis, keys)).values():
        assert account["rows"] >= 0
    await _fill(store, [NOW + 300])
    assert await redis.xlen(keys.metrics_history("raw")) == 61


async def test_a_record_of_the_import_of_another_type_is_put_aside(
    redis: Redis, keys: Keys, store: Store
) -> None:
    await redis.rpush(keys.metrics_migration, "mine")
    await Keeper(store).mend()
    assert not await redis.exists(keys.metrics_migration)
    assert [key async for key in redis.scan_iter(f"{keys.metrics_migration}:aside:*")]
