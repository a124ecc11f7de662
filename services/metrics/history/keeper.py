"""What becomes history when: each sample a row, each minute a coarser one, now and then less."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from redis.exceptions import RedisError

from services.metrics.history.encoding import Dictionary, Encoder, Row
from services.metrics.history.store import Store
from services.metrics.options import Options
from shared.metrics.tiers import TIERS

_log = logging.getLogger(__name__)

MAX_WAITING: Final = 720
"""Rows that wait while Redis is away: an hour at the usual interval."""
BATCH: Final = 60
SLACK: Final = 0.1
"""Of an interval: a sample that comes so much too early is not too early."""
ROLL_EVERY_S: Final = 10.0
PRUNE_EVERY_S: Final = 300.0


class Keeper:
    """Rows wait here until Redis has them; then nothing is remembered but the last id."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._encoder = Encoder()
        self._waiting: deque[Row] = deque(maxlen=MAX_WAITING)
        self._last_id = 0
        self._known = False
        """Whether Redis was asked since the last failure what it has."""
        self._saved: set[str] = {""}
        """Dictionaries that are known to be in Redis."""
        self._due = 0.0
        self._rolled_at = self._pruned_at = float("-inf")
        self.lock = asyncio.Lock()
        """Held by whoever changes the history."""

    def wants(self, options: Options) -> bool:
        """Whether a row is due now; asking begins the next interval."""
        now = time.monotonic()
        if not options.history or now < self._due - options.history_interval_s * SLACK:
            return False
        # Samples come when they come; the rhythm is kept unless it was interrupted.
        late = now - self._due > options.history_interval_s
        self._due = (now if late else self._due) + options.history_interval_s
        return True

    def encode(self, snapshot: Mapping[str, Any]) -> Row:
        """Make a row of a snapshot. Takes a millisecond: for the sampling thread."""
        self._last_id = max(int(snapshot["timestamp"] * 1000), self._last_id + 1)
        return self._encoder.encode(self._last_id, snapshot)

    def add(self, row: Row) -> None:
        """It is written with the next `flush`; of too many the oldest are lost."""
        self._waiting.append(row)

    async def flush(self, options: Options) -> None:
        """Write what waits, and do what is due. Raises what redis-py raises."""
        async with self.lock:
            try:
                await self._write()
                await self._tend(options)
            except (RedisError, OSError) as error:
                self._known = False
                if "WRONGTYPE" not in str(error):
                    raise
                await self._store.set_aside()

    async def mend(self) -> None:
        """Put keys of another type aside. Raises what redis-py raises."""
        async with self.lock:
            await self._store.set_aside()

    async def _write(self) -> None:
        if not self._known:
            await self._look()
        while self._waiting:
            rows = list(self._waiting)[:BATCH]
            for row in rows:
                await self._save_dictionary(row.dictionary)
            await self._store.append(TIERS[0], rows)
            for _ in rows:
                self._waiting.popleft()

    async def _save_dictionary(self, dictionary: Dictionary) -> None:
        if dictionary.id not in self._saved:
            await self._store.save_dictionary(dictionary)
            self._saved.add(dictionary.id)

    async def _look(self) -> None:
        """Find out where the history ends: a lost answer does not mean that nothing was written,
        and whoever wrote before may have had a clock that was ahead."""
        last = await self._store.last_id()
        fresh = [row for row in self._waiting if row.history.id > last]
        self._waiting = deque(fresh, MAX_WAITING)
        self._last_id = max(self._last_id, last)
        self._saved = {""}  # Redis may have been emptied
        if not self._encoder.dictionary.data:
            found = await self._store.dictionary()
            if found.data:
                self._encoder.adopt(found)
        await self._store.recount()
        self._known = True

    async def _tend(self, options: Options) -> None:
        now, clock = time.time(), time.monotonic()
        if clock - self._rolled_at >= ROLL_EVERY_S:
            await self._store.roll_up(now)
            self._rolled_at = clock
        if clock - self._pruned_at >= PRUNE_EVERY_S:
            await self._store.expire(now, options.retention_days)
            await self._store.shrink(options.max_total_bytes)
            await self._store.forget_dictionaries()
            await self._store.recount()
            self._pruned_at = clock

    def prune_soon(self) -> None:
        """The limits have changed."""
        self._pruned_at = float("-inf")
