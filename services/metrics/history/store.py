"""The history in Redis: rows in, old rows out, and an account of what is there.

Every method raises what redis-py raises, and can simply be called again.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.metrics.history.encoding import NO_DICTIONARY, Dictionary, Row
from services.metrics.history.rollup import roll, whole_buckets
from shared.bus.keys import Keys
from shared.bus.metrics import HistoryRow, SnapshotRow, history_rows, read_ends, snapshot_rows
from shared.metrics.tiers import TIERS, Tier

_log = logging.getLogger(__name__)

PAGE: Final = 500
TOTALS: Final = ("rows", "raw", "packed")
SHRINK: Final = 20
"""A history that is too large loses a 20th of its largest stream at a time."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One of the six, and how its entries are read."""

    key: str
    tier: Tier
    full: bool

    def rows(self, entries: Any) -> list[HistoryRow] | list[SnapshotRow]:
        return snapshot_rows(entries) if self.full else history_rows(entries)


class Store:
    """Reads and writes; decides nothing about time. `suffix`: of streams that are no use yet."""

    def __init__(self, redis: Redis, keys: Keys, suffix: str = "") -> None:
        self._redis = redis
        self._keys = keys
        self._suffix = suffix

    def streams(self) -> Iterator[Stream]:
        for tier in TIERS:
            yield Stream(self._history(tier), tier, full=False)
            yield Stream(self._snapshots(tier), tier, full=True)

    def _history(self, tier: Tier) -> str:
        return self._keys.metrics_history(tier.name) + self._suffix

    def _snapshots(self, tier: Tier) -> str:
        return self._keys.metrics_snapshots(tier.name) + self._suffix

    async def last_id(self) -> int:
        """The highest id that the raw history ever had; 0 for none."""
        return await self._top(self._history(TIERS[0]))

    async def _top(self, key: str) -> int:
        try:
            info = await self._redis.xinfo_stream(key)
        except ResponseError:
            return 0
        found = bytes(cast("Any", info)["last-generated-id"])
        return int(found.partition(b"-")[0])

    async def dictionary(self) -> Dictionary:
        """The one in use; the empty one when there is none."""
        key = self._keys.metrics_dictionary
        current = cast("bytes | None", await cast("Any", self._redis.hget(key, "current")))
        data = await cast("Any", self._redis.hget(key, current)) if current else None
        if not current or not data:
            return NO_DICTIONARY
        return Dictionary(current.decode("ascii", "replace"), data)

    async def save_dictionary(self, dictionary: Dictionary) -> None:
        fields: dict[Any, Any] = {dictionary.id: dictionary.data, "current": dictionary.id}
        await cast("Any", self._redis.hset(self._keys.metrics_dictionary, mapping=fields))

    async def append(self, tier: Tier, rows: Iterable[Row]) -> None:
        """Add rows whose ids are higher than all before; their bytes are counted with them.

        Redis undoes nothing of a transaction of which one command fails, and somebody may have
        deleted one of the two streams: each then gets what it has not.
        """
        rows = list(rows)
        try:
            await self._add(tier, rows, {})
        except ResponseError as error:
            if "equal or smaller" not in str(error):
                raise
            keys = (self._history(tier), self._snapshots(tier))
            await self._add(tier, rows, {key: await self._top(key) for key in keys})
            await self.recount()

    async def _add(self, tier: Tier, rows: Iterable[Row], tops: Mapping[str, int]) -> None:
        pipe = self._redis.pipeline(transaction=True)
        for row in rows:
            for key, part in self._parts(tier, row):
                if part.id > tops.get(key, 0):
                    pipe.xadd(key, part.fields, id=f"{part.id}-0")
                    self._count(pipe, key, 1, part.raw_bytes, part.packed_bytes)
        await pipe.execute()

    def _parts(self, tier: Tier, row: Row) -> list[tuple[str, HistoryRow | SnapshotRow]]:
        parts: list[tuple[str, HistoryRow | SnapshotRow]] = [(self._history(tier), row.history)]
        if row.snapshot is not None:
            parts.append((self._snapshots(tier), row.snapshot))
        return parts

    def _count(self, pipe: Any, key: str, rows: int, raw: int, packed: int) -> None:
        totals = self._keys.metrics_totals
        for name, step in zip(TOTALS, (rows, raw, packed), strict=True):
            pipe.hincrby(totals, f"{key}:{name}", step)

    # -- coarser rows ------------------------------------------------------------------------

    async def roll_up(self, now: float) -> None:
        """Make the rows of every coarser tier whose time is over."""
        for finer, coarser in pairwise(TIERS):
            while await self._roll_some(finer, coarser, now):
                continue

    async def _roll_some(self, finer: Tier, coarser: Tier, now: float) -> bool:
        """One page; whether there may be more."""
        redis = self._redis
        last = history_rows(await redis.xrevrange(self._history(coarser), count=1))
        start = f"({last[0].id}-0" if last else "-"
        page = PAGE * 4
        found = history_rows(await redis.xrange(self._history(finer), min=start, count=page))
        before = last[0].point if last else None
        rows = []
        # A full page may have cut its last bucket: only one with a successor is whole then.
        until = now if len(found) < page else 0.0
        for group in whole_buckets(found, coarser.step_s, until):
            newest = group[-1]
            before = roll([row.point for row in group], before)
            row = HistoryRow(newest.id, orjson.dumps(before), newest.compact)
            rows.append(Row(row, await self._snapshot(finer, newest.id)))
        if rows:
            await self.append(coarser, rows)
        return bool(rows) and len(found) == page

    async def _snapshot(self, tier: Tier, row_id: int) -> SnapshotRow | None:
        entry_id = f"{row_id}-0"
        found = await self._redis.xrange(self._snapshots(tier), min=entry_id, max=entry_id)
        rows = snapshot_rows(found)
        return rows[0] if rows else None

    # -- less of it --------------------------------------------------------------------------

    async def expire(self, now: float, retention_days: float) -> None:
        """Remove rows that are older than their tier keeps them."""
        for stream in self.streams():
            cutoff = int((now - stream.tier.kept_s(retention_days)) * 1000)
            while await self._drop(stream, PAGE, f"({max(cutoff, 1)}-0"):
                continue

    async def shrink(self, max_bytes: int) -> None:
        """Remove the oldest rows until everything fits, the largest stream first."""
        while True:
            sizes = {stream: await self._memory(stream.key) for stream in self.streams()}
            rest = await self._memory(self._keys.metrics_dictionary)
            largest = max(sizes, key=lambda stream: sizes[stream])
            if sum(sizes.values()) + rest <= max_bytes or not sizes[largest]:
                return
            length = int(await self._redis.xlen(largest.key))
            if not await self._drop(largest, max(length // SHRINK, 1), "+"):
                return

    async def _drop(self, stream: Stream, count: int, until: str) -> int:
        """Remove the oldest entries, at most `count`, none behind `until`; how many there were."""
        entries: Any = await self._redis.xrange(stream.key, max=until, count=count)
        if not entries:
            return 0
        pipe = self._redis.pipeline(transaction=True)
        pipe.xdel(stream.key, *(entry_id for entry_id, _ in entries))
        rows = stream.rows(entries)
        self._count(
            pipe,
            stream.key,
            -len(entries),
            -sum(row.raw_bytes for row in rows),
            -sum(row.packed_bytes for row in rows),
        )
        await pipe.execute()
        return len(entries)

    async def _memory(self, key: str) -> int:
        return int(await cast("Any", self._redis.memory_usage(key)) or 0)

    async def forget_dictionaries(self) -> None:
        """Remove those that no row can need: a newer one was there before the oldest row."""
        ends = await read_ends(self._redis, [stream.key for stream in self.streams()])
        oldest = min((end.first for end in ends if end is not None), default=None)
        key = self._keys.metrics_dictionary
        names = await cast("Any", self._redis.hkeys(key))
        times = sorted(int(name) for name in names if bytes(name).isdigit())
        needed = [at for at in times if oldest is not None and at < oldest][-1:]
        gone = [at for at in times if needed and at < needed[0]]
        if gone:
            await cast("Any", self._redis.hdel(key, *map(str, gone)))

    # -- taking another one's place ----------------------------------------------------------

    async def clear(self) -> None:
        """Remove all rows."""
        await self._redis.delete(*(stream.key for stream in self.streams()))

    async def take_place_of(self, other: "Store") -> None:
        """Continue with the rows of `other`, which are all newer, and be it from now on."""
        pairs = list(zip(self.streams(), other.streams(), strict=True))
        for own, theirs in pairs:
            await self._copy(theirs.key, own.key)
        pipe = self._redis.pipeline(transaction=True)
        for own, theirs in pairs:
            if await self._redis.exists(own.key):
                pipe.rename(own.key, theirs.key)
        totals = [f"{own.key}:{name}" for own, _ in pairs for name in TOTALS]
        pipe.hdel(self._keys.metrics_totals, *totals)
        await pipe.execute()
        await other.recount()

    async def _copy(self, source: str, target: str) -> None:
        start = "-"
        while entries := cast("Any", await self._redis.xrange(source, min=start, count=PAGE)):
            pipe = self._redis.pipeline(transaction=False)
            for entry_id, fields in entries:
                pipe.xadd(target, fields, id=entry_id)
            await pipe.execute()
            start = f"({entries[-1][0].decode()}"

    # -- trouble -----------------------------------------------------------------------------

    async def set_aside(self) -> None:
        """Rename keys of another type than ours: somebody put something there, or restored it."""
        keys = self._keys
        wanted = {stream.key: b"stream" for stream in self.streams()}
        hashes = (keys.metrics_dictionary, keys.metrics_totals, keys.metrics_migration)
        wanted |= dict.fromkeys(hashes, b"hash")
        for key, kind in wanted.items():
            found = await self._redis.type(key)
            if found not in {kind, b"none"}:
                aside = f"{key}:aside:{int(time.time())}"
                _log.warning("%s is a %r: renamed to %s", key, found, aside)
                await self._redis.rename(key, aside)

    async def recount(self) -> None:
        """Count anew what was changed by others: a stream that was deleted, or trimmed by hand."""
        key = self._keys.metrics_totals
        for stream in self.streams():
            counted = await cast("Any", self._redis.hget(key, f"{stream.key}:rows"))
            if int(counted or 0) != int(await self._redis.xlen(stream.key)):
                await self._recount(stream)

    async def _recount(self, stream: Stream) -> None:
        rows = raw = packed = 0
        start = "-"
        while entries := cast("Any", await self._redis.xrange(stream.key, min=start, count=PAGE)):
            rows += len(entries)
            found = stream.rows(entries)
            raw += sum(row.raw_bytes for row in found)
            packed += sum(row.packed_bytes for row in found)
            start = f"({entries[-1][0].decode()}"
        totals = zip(TOTALS, (rows, raw, packed), strict=True)
        fields: dict[Any, Any] = {f"{stream.key}:{name}": number for name, number in totals}
        await cast("Any", self._redis.hset(self._keys.metrics_totals, mapping=fields))
