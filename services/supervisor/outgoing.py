"""What goes into the outbox, and the commands with which each of it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio.client import Pipeline

from services.supervisor.config_news import ConfigNews
from shared.bus.claim import Command, Fence, flat
from shared.bus.keys import GROUP, Keys
from shared.models.app_config import ANSWER_TTL_S
from shared.models.audit import LENGTH, AuditEntry
from shared.models.command import RECEIPT_TTL_S, Receipt
from shared.models.command_counts import counted
from shared.models.service import ServiceState

REJECTS_LENGTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Ack:
    """An entry whose outcome is on record. `delete`: it carried arguments."""

    stream: str
    entry_id: str
    delete: bool


@dataclass(frozen=True, slots=True)
class Reject:
    """An entry that cannot be understood, for the stream of rejects."""

    stream: str
    entry_id: str
    reason: str
    fields: dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A receipt as it was when it was handed over; its owner goes on changing it."""

    id: str
    fields: bytes
    announcement: bytes
    counted: tuple[str, ...] = ()
    only_open: bool = False
    """Leave a receipt alone that is final already: it has more to tell."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command read, for the replica that asked. It may hold secrets."""

    id: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Level:
    """A key and what stands in it from now on."""

    key: str
    data: bytes
    channel: str = ""
    """Where it is told as well."""


Item = ServiceState | Frozen | AuditEntry | Ack | Reject | ConfigNews | Answer | Level


def freeze(receipt: Receipt, *, only_open: bool = False) -> Frozen:
    """The receipt as it is now."""
    fields = orjson.dumps(receipt.to_hash())
    return Frozen(receipt.id, fields, receipt.to_json(), counted(receipt), only_open)


def add(pipe: Pipeline, item: Item, keys: Keys, fence: Fence) -> None:
    """Put an item into a pipeline: one step each, which happens only while the claim is ours."""
    if isinstance(item, ServiceState):
        name = item.process_name
        fields = orjson.dumps(item.to_hash())
        written = (keys.service(name), keys.services)
        fence.add_status(pipe, written, keys.status, item.to_json(), name, fields)
    elif isinstance(item, Frozen):
        ttl, channel, fields = str(RECEIPT_TTL_S), keys.command_results, item.fields
        rest: tuple[str | bytes, ...] = (ttl, channel, item.announcement, fields, *item.counted)
        written = (keys.command(item.id), keys.command_counts)
        fence.add_receipt(pipe, written, *rest, only_open=item.only_open)
    else:
        fence.add(pipe, *_commands(item, keys))


def _commands(
    item: AuditEntry | Ack | Reject | ConfigNews | Answer | Level, keys: Keys
) -> list[Command]:
    if isinstance(item, AuditEntry):
        return [_append(keys.audit, LENGTH, item.to_hash())]
    if isinstance(item, ConfigNews):
        return item.commands(keys)
    if isinstance(item, Answer):
        return [("SET", keys.answer(item.id), item.data, "EX", ANSWER_TTL_S)]
    if isinstance(item, Level):
        told: list[Command] = [("PUBLISH", item.channel, item.data)] if item.channel else []
        return [("SET", item.key, item.data), *told]
    if isinstance(item, Ack):
        done: list[Command] = [("XDEL", item.stream, item.entry_id)] if item.delete else []
        return [("XACK", item.stream, GROUP, item.entry_id), *done]
    return _reject(item, keys)


def _reject(item: Reject, keys: Keys) -> list[Command]:
    copy: dict[Any, Any] = {
        "stream": item.stream,
        "entry": item.entry_id,
        "reason": item.reason,
    }
    for name, value in list(item.fields.items())[:20]:
        if name != b"args":
            copy[b"field:" + name[:64]] = value[:256]
    return [
        _append(keys.rejected, REJECTS_LENGTH, copy),
        ("XACK", item.stream, GROUP, item.entry_id),
        ("XDEL", item.stream, item.entry_id),
    ]


def _append(stream: str, length: int, fields: Mapping[Any, Any]) -> Command:
    return ("XADD", stream, "MAXLEN", "~", length, "*", *flat(fields))
