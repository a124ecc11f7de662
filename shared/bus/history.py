"""What was done lately: the audit stream, and the commands in it with their receipts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.models.command import Receipt

LOOK_BACK: Final = 2_000
"""Audit entries that are searched for commands: exits and logins lie between them."""

Fields = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class AuditNote:
    """One entry of `dumb:audit`. `at` in epoch seconds; `command` names a receipt, or is ""."""

    id: str
    at: float
    actor: str
    source: str
    action: str
    target: str
    outcome: str
    command: str


async def read_audit(
    redis: Redis, keys: Keys, count: int, before: str | None = None
) -> list[AuditNote]:
    """The newest entries, the newest first; those older than the entry `before` when given."""
    newest = f"({before}" if before else "+"
    found: Any = await redis.xrevrange(keys.audit, max=newest, count=count)
    return [_note(entry_id, fields) for entry_id, fields in found]


async def recent_commands(
    redis: Redis, keys: Keys, limit: int, process_name: str | None = None
) -> list[Receipt]:
    """Receipts that still exist, the newest first: of commands under way, and of finished ones."""
    pipe = redis.pipeline(transaction=False)
    for stream in (keys.commands, keys.triggers):
        pipe.xrevrange(stream, count=limit)
    waiting = await pipe.execute(raise_on_error=False)
    under_way = [
        (_text(fields, b"id") or entry_id.decode(), _text(fields, b"process_name"))
        for entries in waiting
        if isinstance(entries, list)
        for entry_id, fields in entries
    ]
    ended = [(note.command, note.target) for note in await read_audit(redis, keys, LOOK_BACK)]
    wanted = dict.fromkeys(
        command_id
        for command_id, target in (*under_way, *ended)
        if command_id and process_name in {None, target}
    )
    receipts = await _receipts(redis, keys, list(wanted)[: limit + len(under_way)])
    receipts.sort(key=lambda receipt: receipt.created_at, reverse=True)
    return receipts[:limit]


async def _receipts(redis: Redis, keys: Keys, ids: Iterable[str]) -> list[Receipt]:
    """Those that exist and can be read."""
    pipe = redis.pipeline(transaction=False)
    known = list(ids)
    for command_id in known:
        pipe.hgetall(keys.command(command_id))
    found = []
    for command_id, raw in zip(known, await pipe.execute(raise_on_error=False), strict=True):
        if isinstance(raw, dict) and raw:
            try:
                found.append(Receipt.from_hash(command_id, raw))
            except (ValueError, TypeError):
                continue
    return found


def _note(entry_id: bytes, fields: Fields) -> AuditNote:
    try:
        at = float(_text(fields, b"at"))
    except ValueError:
        at = int(entry_id.partition(b"-")[0]) / 1000
    words = (b"actor", b"source", b"action", b"target", b"outcome", b"command")
    return AuditNote(entry_id.decode(), at, *(_text(fields, word) for word in words))


def _text(fields: Fields, name: bytes) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")
