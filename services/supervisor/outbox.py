"""What the supervisor tells Redis: states, receipts, audit, acknowledgements, in order.

Nobody waits for it: callers hand over and go on supervising. While Redis is away states are not
kept (every connect rewrites them all from the registry), final receipts and audit entries are.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.supervisor.config_news import ConfigNews
from services.supervisor.outgoing import (
    Ack,
    Answer,
    Frozen,
    Item,
    Level,
    Reject,
    add,
    freeze,
)
from services.supervisor.refusals import refused
from shared.bus.claim import Command, Fence, flat
from shared.bus.keys import Keys
from shared.models.audit import AuditEntry
from shared.models.command import Receipt
from shared.models.service import ServiceState

MAX_WAITING: Final = 20_000
"""Receipts and audit entries kept while Redis is away; the oldest go first."""

_BATCH: Final = 500
LINGER_S: Final = 0.02
"""How long a step of a receipt may wait for company."""


class Outbox:
    """An ordered queue and the task that empties it in pipelines."""

    def __init__(
        self, keys: Keys, states: Callable[[], Iterable[ServiceState]], fence: Fence
    ) -> None:
        self._keys = keys
        self._fence = fence
        self._states = states
        self.rejected = 0
        """Entries that were rejected since the start."""
        self._items: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._connected = False
        self._rewrite = False

    # -- handing over ----------------------------------------------------------------------

    def state(self, state: ServiceState) -> None:
        """Publish a change. Dropped while Redis is away: the next connect rewrites all."""
        if self._connected:
            self._put(state)

    def receipt(self, receipt: Receipt) -> None:
        """Publish a receipt as it is now. Steps on the way are no hurry: they leave with the next
        news, or shortly."""
        if receipt.status.final:
            self._put(freeze(receipt))
        elif self._connected:
            self._items.append(freeze(receipt))
            asyncio.get_running_loop().call_later(LINGER_S, self._wake.set)

    def recall(self, receipt: Receipt) -> None:
        """Publish an outcome of the past, unless Redis has a final receipt already."""
        if self._connected:
            self._put(freeze(receipt, only_open=True))

    def audit(
        self,
        action: str,
        target: str,
        outcome: str,
        actor: str = "supervisor",
        source: str = "",
        *,
        command: str = "",
    ) -> None:
        """Record who did what."""
        self._put(AuditEntry(time.time(), actor, source or actor, action, target, outcome, command))

    def answer(self, command_id: str, data: bytes) -> None:
        """Put what was read where its replica fetches it, before the receipt that says so.

        Not in the receipt: that is kept for a day, announced, and shown to every user.
        """
        if self._connected:
            self._put(Answer(command_id, data))

    def config(self, news: ConfigNews) -> bool:
        """Publish a configuration before what is handed over after it; whether that is possible.

        While Redis is away it is not kept: every connect publishes all of it first.
        """
        if self._connected:
            self._put(news)
        return self._connected

    def level(self, key: str, data: bytes, channel: str = "") -> None:
        """Set a key, and tell it. Dropped while Redis is away: its owner makes up for it."""
        if self._connected:
            self._put(Level(key, data, channel))

    def ack(self, stream: str, entry_id: str, *, delete: bool) -> None:
        """Acknowledge an entry whose outcome is journalled."""
        if self._connected:  # otherwise it is read again and answered from the journal
            self._put(Ack(stream, entry_id, delete))

    def reject(self, reject: Reject) -> None:
        """Copy an entry that makes no sense, and acknowledge it."""
        self.rejected += 1
        if self._connected:
            self._put(reject)

    def _put(self, item: Item) -> None:
        self._items.append(item)
        while len(self._items) > MAX_WAITING and not self._connected:
            self._items.popleft()
        self._wake.set()

    async def drained(self) -> None:
        """Return when everything that was handed over has reached Redis, or nothing can."""
        while self._connected and self._items:
            self._idle.clear()
            await self._idle.wait()

    # -- sending ---------------------------------------------------------------------------

    def rewrite(self) -> None:
        """Services came or went: write all of them anew, in order with everything else."""
        self._rewrite = True
        self._wake.set()

    async def _resync(self, redis: Redis) -> None:
        """Make Redis say what is true now, and nothing else (docs/protocol.md)."""
        self._rewrite = False
        # What is true now is newer than every state in the queue.
        self._items = deque(i for i in self._items if not isinstance(i, ServiceState))
        keys = self._keys
        names = {state.process_name: state for state in self._states()}
        known = {raw.decode("utf-8", "replace") for raw in await _members(redis, keys.services)}
        commands: list[Command] = [("DEL", keys.service(name)) for name in known - names.keys()]
        commands.append(("DEL", keys.services))
        for name, state in names.items():
            commands += [
                ("DEL", keys.service(name)),
                ("HSET", keys.service(name), *flat(state.to_hash())),
                ("SADD", keys.services, name),
            ]
        commands.append(("PUBLISH", keys.status, b'{"resync":true}'))
        await self._fence.write(redis, *commands)

    async def connect(self, redis: Redis) -> None:
        """A new connection: everything is published anew before anything else is sent."""
        kept = (i for i in self._items if isinstance(i, Frozen | AuditEntry))
        self._items = deque(kept)
        self._connected = True
        await self.mend(redis)
        await self._resync(redis)

    def yielded(self) -> None:
        """Another supervisor writes now: what it made final is not replaced by what waits here."""
        self._items = deque(
            replace(i, only_open=True) if isinstance(i, Frozen) else i for i in self._items
        )

    async def mend(self, redis: Redis) -> None:
        """Delete what somebody put in the place of our streams: nothing could be added to it."""
        for stream in (self._keys.audit, self._keys.rejected):
            if await redis.type(stream) not in {b"stream", b"none"}:
                await self._fence.write(redis, ("DEL", stream))

    async def run(self, redis: Redis) -> None:
        """Send until the connection breaks. Raises what redis-py raises."""
        try:
            while True:
                self._wake.clear()
                while self._rewrite or self._items:
                    if self._rewrite:
                        await self._resync(redis)
                    await self._flush(redis)
                self._idle.set()
                await self._wake.wait()
        finally:
            self._connected = False
            self._idle.set()

    async def _flush(self, redis: Redis) -> None:
        batch = [self._items[i] for i in range(min(len(self._items), _BATCH))]
        pipe = redis.pipeline(transaction=False)
        newest = {i.id: i for i in batch if isinstance(i, Frozen) and not i.only_open}
        for item in batch:
            # A receipt tells its whole history: of several in one batch the last one will do.
            # One that was read back from the journal tells less and stands for none of them.
            if not isinstance(item, Frozen) or item.only_open or newest[item.id] is item:
                add(pipe, item, self._keys, self._fence)
        # An exception here leaves the batch queued: final receipts and audit are sent again.
        results = await pipe.execute(raise_on_error=False)
        for result in results:
            if isinstance(result, Exception) and refused(result):
                raise result
        for _ in batch:
            self._items.popleft()


async def _members(redis: Redis, key: str) -> set[bytes]:
    try:
        return {bytes(raw) for raw in await redis.smembers(key)}  # type: ignore[arg-type]
    except ResponseError:
        return set()  # somebody wrote another type there; resync deletes it
