"""Taking over the original's history, once.

It lies before ours in time, and streams only grow at their end: so both are written to new streams,
which then take the place of the old ones in one step. A collector that is killed meanwhile leaves
what was there, and the next one begins again.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby, islice
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis

from services.metrics.history.encoding import Encoder, Row
from services.metrics.history.keeper import Keeper
from services.metrics.history.legacy import Account, find_files, read_snapshots, size_of
from services.metrics.history.rollup import roll
from services.metrics.history.store import Store
from services.metrics.options import Options
from shared.bus.keys import Keys
from shared.bus.metrics import HistoryRow, read_ends
from shared.metrics.points import Point, point_of
from shared.metrics.tiers import TIERS

_log = logging.getLogger(__name__)

BATCH: Final = 100
ANSWER_TTL_S: Final = 60
RAW, MINUTES = TIERS[0], TIERS[1]


class Migration:
    """Raises what redis-py raises."""

    def __init__(self, redis: Redis, keys: Keys, keeper: Keeper) -> None:
        self._redis = redis
        self._keys = keys
        self._keeper = keeper

    async def at_start(self, options: Options) -> None:
        """Say what lies there, and take it over if that was never done."""
        files = await asyncio.to_thread(find_files, options.legacy_dir)
        await self._note({"present_files": len(files), "present_bytes": size_of(files)})
        if files and options.history and options.migrate_legacy:
            await self.run(options, force=False)

    async def answer(self, data: bytes, options: Options) -> None:
        """Carry out a request of the API. What is none is ignored."""
        try:
            request = orjson.loads(data)
            request_id, force = str(request["id"]), request["force"] is True
            if request["op"] != "migrate" or len(request_id) > 64:
                return
        except (ValueError, TypeError, KeyError):
            return
        found = await self.run(options, force=force)
        key = self._keys.metrics_answer(request_id)
        pipe = self._redis.pipeline(transaction=True)
        pipe.rpush(key, orjson.dumps(found))
        pipe.expire(key, ANSWER_TTL_S)
        await pipe.execute()

    async def run(self, options: Options, *, force: bool) -> dict[str, Any]:
        """`{completed, files, samples, skipped}`; without `force` only once."""
        async with self._keeper.lock:
            done = cast("dict[bytes, bytes]", await cast("Any", self._all()))
            if done.get(b"completed") == b"1" and not force:
                numbers = {name: int(done.get(name.encode(), b"0")) for name in _NUMBERS}
                return {"completed": True, **numbers}
            account = Account()
            files = await asyncio.to_thread(find_files, options.legacy_dir)
            if files:
                await self._import(files, account, options)
            numbers = {name: asdict(account)[name] for name in _NUMBERS}
            present = {"present_files": len(files), "present_bytes": size_of(files)}
            await self._note({"completed": 1, **numbers, **present})
        _log.info("the former history was taken over: %s", numbers)
        return {"completed": True, **numbers}

    def _all(self) -> Any:
        return self._redis.hgetall(self._keys.metrics_migration)

    async def _note(self, fields: dict[str, int]) -> None:
        await cast(
            "Any", self._redis.hset(self._keys.metrics_migration, mapping=cast("Any", fields))
        )

    async def _import(self, files: list[Any], account: Account, options: Options) -> None:
        now = time.time()
        store, fresh = Store(self._redis, self._keys), Store(self._redis, self._keys, ":import")
        await fresh.clear()
        until = await self._own_begin(store, now)
        encoder = Encoder()
        encoder.adopt(await store.dictionary())
        since = now - max(tier.kept_s(options.retention_days) for tier in TIERS)
        snapshots = read_snapshots(files, account, since, until)
        raw_since = now - RAW.kept_s(options.retention_days)
        rows = _rows(snapshots, encoder, raw_since)
        while batch := await asyncio.to_thread(lambda: list(islice(rows, BATCH))):
            for dictionary in {row.dictionary for _, row in batch if row.dictionary.id}:
                await store.save_dictionary(dictionary)
            for minutes, part in groupby(batch, lambda item: item[0]):
                await fresh.append(MINUTES if minutes else RAW, [row for _, row in part])
        await fresh.roll_up(until)
        await fresh.expire(now, options.retention_days)
        await fresh.take_place_of(store)
        self._keeper.prune_soon()

    async def _own_begin(self, store: Store, now: float) -> float:
        """The begin of the time that our oldest row stands for; a minute is never cut."""
        streams = list(store.streams())
        ends = await read_ends(self._redis, [stream.key for stream in streams])
        begins = [(now, MINUTES.step_s)]
        for stream, end in zip(streams, ends, strict=True):
            if end is not None:
                begins.append((end.first / 1000, max(stream.tier.step_s, MINUTES.step_s)))
        oldest, step = min(begins)
        return oldest // step * step


_NUMBERS: Final = ("files", "samples", "skipped")


def _rows(
    snapshots: Iterator[dict[str, Any]], encoder: Encoder, raw_since: float
) -> Iterator[tuple[bool, Row]]:
    """Rows, and whether they stand for a minute. Most of the past is kept by the minute alone."""
    last_id, before = 0, None
    for _, group in groupby(snapshots, lambda s: s["timestamp"] // MINUTES.step_s):
        minute = list(group)
        if minute[0]["timestamp"] >= raw_since:
            for snapshot in minute:
                last_id = max(int(snapshot["timestamp"] * 1000), last_id + 1)
                yield False, encoder.encode(last_id, snapshot)
            continue
        before = roll([point_of(snapshot) for snapshot in minute], before)
        last_id = max(int(minute[-1]["timestamp"] * 1000), last_id + 1)
        yield True, _standing_for(encoder.encode(last_id, minute[-1]), before)


def _standing_for(row: Row, point: Point) -> Row:
    history = HistoryRow(row.history.id, orjson.dumps(point), row.history.compact)
    return Row(history, row.snapshot, row.dictionary)
