"""What was done lately: the audit stream, and the commands in it with their receipts."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.models.audit import AuditEntry
from shared.models.command import Receipt

LOOK_BACK: Final = 1_000
"""Audit entries that are searched for commands: exits and logins lie between them."""


async def read_audit(
    redis: Redis, keys: Keys, count: int, before: str | None = None
) -> list[tuple[str, AuditEntry]]:
    """The newest entries with their ids, the newest first; with `before`, those before that id."""
    newest = f"({before}" if before else "+"
    found: Any = await redis.xrevrange(keys.audit, max=newest, count=count)
    return [(entry_id.decode(), AuditEntry.from_hash(entry_id, raw)) for entry_id, raw in found]


async def recent_commands(
    redis: Redis, keys: Keys, limit: int, process_name: str | None = None
) -> list[Receipt]:
    """Receipts that still exist, the newest first: of commands under way, and of finished ones."""
    pipe = redis.pipeline(transaction=False)
    pipe.xrevrange(keys.commands, count=limit)
    pipe.xrevrange(keys.triggers, count=limit)
    pipe.xrevrange(keys.audit, count=LOOK_BACK)
    # A key of another type is the supervisor's to repair.
    found = [r if isinstance(r, list) else [] for r in await pipe.execute(raise_on_error=False)]
    under_way = [
        (_text(fields, b"id") or entry_id.decode(), _text(fields, b"process_name"))
        for entries in found[:2]
        for entry_id, fields in entries
    ]
    ended = [(_text(f, b"command"), _text(f, b"target")) for _, f in found[2] if b"command" in f]
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


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")
