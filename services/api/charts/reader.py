"""The history out of Redis: which rows, and what they were compressed with."""

from collections.abc import Iterable
from typing import Any, Final, cast

from redis.asyncio import Redis

from services.api.charts.window import Window
from shared.bus.keys import Keys
from shared.bus.metrics import (
    HistoryRow,
    SnapshotRow,
    history_rows,
    read_ends,
    read_newest,
    snapshot_rows,
)
from shared.metrics.tiers import TIERS, plan_read, tier_for

MAX_DICTIONARIES: Final = 64

Dictionaries = dict[str, bytes]


class HistoryReader:
    """Raises what redis-py raises. Dictionaries never change, so they are kept."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._dictionaries: Dictionaries = {}

    async def charts(self, window: Window) -> list[HistoryRow]:
        """Rows for charts, oldest first, from the tiers that answer best."""
        streams = [self._keys.metrics_history(tier.name) for tier in TIERS]
        return history_rows(await self._read(streams, window, tier_for(window.bucket_s)))

    async def snapshots(self, window: Window) -> list[SnapshotRow]:
        """Full snapshots, oldest first, as finely as there are any."""
        streams = [self._keys.metrics_snapshots(tier.name) for tier in TIERS]
        return snapshot_rows(await self._read(streams, window, 0))

    async def dictionaries(self, names: Iterable[str]) -> Dictionaries:
        """What rows were compressed with. One that is gone is left out."""
        wanted = set(names)
        missing = sorted(wanted - self._dictionaries.keys() - {""})
        if missing:
            if len(self._dictionaries) + len(missing) > MAX_DICTIONARIES:
                self._dictionaries.clear()
                missing = sorted(wanted - {""})
            found = await cast("Any", self._redis.hmget(self._keys.metrics_dictionary, missing))
            known = zip(missing, found, strict=True)
            self._dictionaries |= {name: data for name, data in known if data is not None}
        return {"": b"", **self._dictionaries}

    async def _read(self, streams: list[str], window: Window, preferred: int) -> Any:
        ends = await read_ends(self._redis, streams)
        segments = plan_read(window.since_ms, preferred, ends)
        return await read_newest(self._redis, streams, segments, window.limit)
