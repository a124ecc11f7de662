"""Reads the two command streams: what is pending first, then what is new.

To read is to take away, so it happens only under the claim. The read that waits for new entries is
no script (a script cannot wait): it ends before the claim can run out, and the claim is read behind
it before anything is done with its answer. What a process reads that lost the claim is left
pending, for the one that has it then (`sweep`).
"""

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.supervisor.claim import Claim
from services.supervisor.dispatcher import Dispatcher
from shared.bus.claim import ClaimLostError, Command
from shared.bus.client import READ_BLOCK_MS
from shared.bus.keys import GROUP, Keys
from shared.models.command import CommandStatus

_log = logging.getLogger(__name__)

_BATCH: Final = 200
AFTER_A_READ_S: Final = 0.001
BEFORE_THE_END_S: Final = 0.5
"""So long before the claim could run out a read that waits has ended."""
STRAY_MS: Final = 1000
"""A pending entry that this process has not seen by then was delivered to another supervisor."""
MAX_PENDING: Final = 1000
HARD_CAP: Final = 100_000
"""A command stream is never longer than this."""

_EXHAUSTED: Final = 1 << 62
"""An id this high (milliseconds!) was chosen by hand and leaves no room for honest ones."""


_FINAL: Final = frozenset(status.value for status in CommandStatus if status.final)

Entries = list[tuple[bytes, dict[bytes, bytes] | None]]


class Inbox:
    """The one consumer of the one group. Everything it knows is in Redis and the journal."""

    def __init__(self, keys: Keys, dispatcher: Dispatcher, claim: Claim) -> None:
        self._keys = keys
        self._dispatcher = dispatcher
        self._claim = claim
        self._fence = claim.fence
        self._seen: dict[str, set[str]] = {stream: set() for stream in self._streams}
        """Entries that were handed over since the connection began."""

    @property
    def _streams(self) -> tuple[str, str]:
        return self._keys.commands, self._keys.triggers

    async def run(self, redis: Redis, reader: Redis) -> None:
        """Read until the connection breaks or the claim is lost. Raises what redis-py raises."""
        for seen in self._seen.values():
            seen.clear()
        while True:
            await self.prepare(redis)
            try:
                await self._resume(redis)
                await self._pending(redis)
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
                create = ("XGROUP", "CREATE", stream, GROUP, "0", "MKSTREAM")
                await self._fence.write(redis, create)
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
        rename, expire = ("RENAME", stream, name), ("EXPIRE", name, 7 * 86400)
        await self._fence.write(redis, rename, expire)
        _log.warning("moved %s to %s, because %s", stream, name, why)

    async def _resume(self, redis: Redis) -> None:
        """Commands that could not begin when the claim was uncertain: unless another supervisor
        has carried them out since, they begin now."""
        waiting = self._dispatcher.postponed
        found = await self._receipts(redis, [command.id for command, _ in waiting])
        for command, raw in list(waiting):
            waiting.remove((command, raw))
            status, _ = found[command.id]
            if status in _FINAL:
                self._dispatcher.carried_out(command, CommandStatus(status))
            else:
                self._dispatcher.again(command, raw)

    async def _pending(self, redis: Redis) -> None:
        """Entries that were delivered to a predecessor, or to us before a cut."""
        for stream in self._streams:
            last = "0"
            while True:
                read = ("XREADGROUP", "GROUP", GROUP, GROUP, "COUNT", _BATCH, "STREAMS")
                answer = await self._fence.write(redis, (*read, stream, last))
                entries = _entries(answer[0][1]) if answer else []
                if not entries:
                    break
                open_entries = await self._unanswered(redis, stream, entries)
                self._claim.check()
                self._hand_over(stream, open_entries)
                last = bytes(entries[-1][0]).decode()

    async def _unanswered(self, redis: Redis, stream: str, entries: Entries) -> Entries:
        """Leave out what has a final receipt, in case the journal was lost, or that of another
        supervisor; acknowledge it."""
        trigger = stream == self._keys.triggers
        own = [_ids(*entry, trigger=trigger) for entry in entries]
        found = await self._receipts(redis, [command_id for ids in own for command_id in ids])
        open_entries = []
        for entry, ids in zip(entries, own, strict=True):
            receipts = [found[command_id] for command_id in ids]
            # One that was named by its sender is that one's alone. Entry ids of the two streams can
            # be the same: there the source tells whose receipt it is.
            if any(
                status in _FINAL and (len(ids) == 1 or (source == "trigger") == trigger)
                for status, source in receipts
            ):
                done: list[Command] = [("XACK", stream, GROUP, entry[0])]
                if (entry[1] or {}).get(b"args"):  # as `outbox.ack`: they may hold secrets
                    done.append(("XDEL", stream, entry[0]))
                await self._fence.write(redis, *done)
            else:
                open_entries.append(entry)
        return open_entries

    async def _receipts(self, redis: Redis, ids: list[str]) -> dict[str, tuple[str, str]]:
        """Status and source of the receipts of these commands, "" where there is none."""
        pipe = redis.pipeline(transaction=False)
        for command_id in ids:
            pipe.hmget(self._keys.command(command_id), "status", "source")
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return {
            command_id: (_text(raw[0]), _text(raw[1])) if isinstance(raw, list) else ("", "")
            for command_id, raw in zip(ids, answers, strict=True)
        }

    async def _new(self, reader: Redis) -> None:
        left = self._claim.left_s - BEFORE_THE_END_S
        if left <= 0:
            raise ClaimLostError("The claim was not renewed in time; it is taken again.")
        block = min(READ_BLOCK_MS, int(left * 1000) + 1)
        read = ("XREADGROUP", "GROUP", GROUP, GROUP, "COUNT", _BATCH, "BLOCK", block, "STREAMS")
        answer = await self._fence.read(reader, *read, *self._streams, ">", ">")
        self._claim.check()
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
        self._seen[stream].update(bytes(entry_id).decode() for entry_id, _ in entries)
        for entry_id, raw in entries:
            self._dispatcher.entry(stream, bytes(entry_id).decode(), raw or {}, trigger=trigger)

    async def sweep(self, redis: Redis) -> None:
        """Take over entries that were delivered to another supervisor, which lost its claim before
        it could begin with them."""
        for stream in self._streams:
            try:
                rows: Any = await redis.xpending_range(stream, GROUP, "-", "+", MAX_PENDING)
            except ResponseError:
                continue  # healed at the next read
            ids = {bytes(row["message_id"]).decode(): row for row in rows}
            if len(rows) < MAX_PENDING:
                self._seen[stream].intersection_update(ids)
            for entry_id, row in ids.items():
                if entry_id in self._seen[stream] or row["time_since_delivered"] < STRAY_MS:
                    continue
                entries: Any = await redis.xrange(stream, entry_id, entry_id)
                found = entries or [(entry_id.encode(), None)]
                open_entries = await self._unanswered(redis, stream, found)
                await self._claim.confirm(redis)
                self._hand_over(stream, open_entries)

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
            exact, capped = ("MINID", "=", keep), ("MAXLEN", "~", HARD_CAP)
            trims = [("XTRIM", stream, *limit) for limit in (exact, capped)]
            await self._fence.write(redis, *trims)


def _ids(entry_id: bytes, raw: dict[bytes, bytes] | None, *, trigger: bool) -> tuple[str, ...]:
    """Under which the receipt of an entry may stand: see `Dispatcher._with_own_id`."""
    named = (raw or {}).get(b"id")
    if named:
        return (_text(named),)
    plain = _text(entry_id)
    return (plain, f"{plain}:{'trigger' if trigger else 'command'}")


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode("utf-8", "replace")


def _entries(raw: Any) -> Entries:
    """Entries as a script answers them: names and values in a row, none of a deleted one."""
    return [
        (entry_id, dict(zip(fields[::2], fields[1::2], strict=True)) if fields else None)
        for entry_id, fields in raw
    ]
