"""Reads the two command streams: what is pending first, then what is new."""

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.supervisor.dispatcher import Dispatcher
from shared.bus.client import READ_BLOCK_MS
from shared.bus.keys import GROUP, Keys
from shared.models.command import CommandStatus

_log = logging.getLogger(__name__)

_BATCH: Final = 200
AFTER_A_READ_S: Final = 0.001
HARD_CAP: Final = 100_000
"""A command stream is never longer than this."""

_EXHAUSTED: Final = 1 << 62
"""An id this high (milliseconds!) was chosen by hand and leaves no room for honest ones."""


_FINAL: Final = frozenset(status.value for status in CommandStatus if status.final)

Entries = list[tuple[bytes, dict[bytes, bytes] | None]]


class Inbox:
    """The one consumer of the one group. Everything it knows is in Redis and the journal."""

    def __init__(self, keys: Keys, dispatcher: Dispatcher) -> None:
        self._keys = keys
        self._dispatcher = dispatcher

    @property
    def _streams(self) -> tuple[str, str]:
        return self._keys.commands, self._keys.triggers

    async def run(self, redis: Redis, reader: Redis) -> None:
        """Read until the connection breaks. Raises what redis-py raises."""
        while True:
            await self.prepare(redis)
            try:
                await self._pending(redis, reader)
                while True:
                    await self._new(reader)
            except ResponseError as error:
                # The stream or its group was deleted (a wiped Redis, a curious hand).
                if not str(error).startswith(("NOGROUP", "WRONGTYPE", "UNBLOCKED")):
                    raise
                _log.warning("a command stream was disturbed (%s): reading it anew", error)

    async def prepare(self, redis: Redis) -> None:
        """Make sure that both streams and the group exist and can take entries."""
        for stream in self._streams:
            await self._heal(redis, stream)
            try:
                await redis.xgroup_create(stream, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    async def _heal(self, redis: Redis, stream: str) -> None:
        """Move a key aside that cannot serve as a command stream."""
        try:
            info: Any = await redis.xinfo_stream(stream)
        except ResponseError as error:
            if "no such key" not in str(error):
                await self._aside(redis, stream, "it was no stream")
            return
        if int(bytes(info["last-generated-id"]).split(b"-")[0]) >= _EXHAUSTED:
            await self._aside(redis, stream, "its ids were exhausted")

    async def _aside(self, redis: Redis, stream: str, why: str) -> None:
        seconds, _ = await redis.time()
        name = f"{stream}:aside:{seconds}"
        await redis.rename(stream, name)
        await redis.expire(name, 7 * 86400)
        _log.warning("moved %s to %s, because %s", stream, name, why)

    async def _pending(self, redis: Redis, reader: Redis) -> None:
        """Entries that were delivered to a predecessor, or to us before a cut."""
        for stream in self._streams:
            last = "0"
            while True:
                answer: Any = await reader.xreadgroup(GROUP, GROUP, {stream: last}, count=_BATCH)
                entries = answer[0][1] if answer else []
                if not entries:
                    break
                self._hand_over(stream, await self._unanswered(redis, stream, entries))
                last = bytes(entries[-1][0]).decode()

    async def _unanswered(self, redis: Redis, stream: str, entries: Entries) -> Entries:
        """Leave out what has a final receipt, in case the journal was lost; acknowledge it."""
        pipe = redis.pipeline(transaction=False)
        for _, raw in entries:
            own = (raw or {}).get(b"id") or b""  # entry ids of the two streams can be the same
            pipe.hget(self._keys.command(own.decode("utf-8", "replace")), "status")
        open_entries = []
        statuses: list[Any] = await pipe.execute(raise_on_error=False)
        for entry, status in zip(entries, statuses, strict=True):
            if isinstance(status, bytes) and status.decode("ascii", "replace") in _FINAL:
                await redis.xack(stream, GROUP, entry[0])
                if (entry[1] or {}).get(b"args"):  # as `outbox.ack`: they may hold secrets
                    await redis.xdel(stream, entry[0])
            else:
                open_entries.append(entry)
        return open_entries

    async def _new(self, reader: Redis) -> None:
        wanted: Any = dict.fromkeys(self._streams, ">")
        answer: Any = await reader.xreadgroup(
            GROUP, GROUP, wanted, count=_BATCH, block=READ_BLOCK_MS
        )
        highest = 0
        for stream, entries in answer or []:
            self._hand_over(bytes(stream).decode(), entries)
            highest = max(highest, int(bytes(entries[-1][0]).split(b"-")[0]))
        if highest >= _EXHAUSTED:
            raise ResponseError("UNBLOCKED an entry id leaves no room for others")
        if answer:
            # What was just read goes first: asking for more would be in its way.
            await asyncio.sleep(AFTER_A_READ_S)

    def _hand_over(self, stream: str, entries: Entries) -> None:
        trigger = stream == self._keys.triggers
        for entry_id, raw in entries:
            self._dispatcher.entry(stream, bytes(entry_id).decode(), raw or {}, trigger=trigger)

    async def trim(self, redis: Redis) -> None:
        """Drop what was carried out: everything before the oldest pending entry."""
        for stream in self._streams:
            try:
                groups: Any = await redis.xinfo_groups(stream)
                pending: Any = await redis.xpending(stream, GROUP)
            except ResponseError:
                continue  # healed at the next read
            delivered = next(
                (
                    bytes(g["last-delivered-id"]).decode()
                    for g in groups
                    if g["name"] == GROUP.encode()
                ),
                "0-0",
            )
            oldest = pending["min"]
            keep = bytes(oldest).decode() if oldest else delivered
            await redis.xtrim(stream, minid=keep, approximate=False)
            await redis.xtrim(stream, maxlen=HARD_CAP, approximate=True)
