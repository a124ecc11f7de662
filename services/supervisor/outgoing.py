"""What goes into the outbox, and the commands with which each of it leaves."""

from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio.client import Pipeline

from services.supervisor.config_news import ConfigNews
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


@dataclass(frozen=True, slots=True)
class Shas:
    """The scripts as Redis knows them."""

    status: str
    receipt: str
    recall: str


Item = ServiceState | Frozen | AuditEntry | Ack | Reject | ConfigNews | Answer | Level


def freeze(receipt: Receipt, *, only_open: bool = False) -> Frozen:
    """The receipt as it is now."""
    fields = orjson.dumps(receipt.to_hash())
    return Frozen(receipt.id, fields, receipt.to_json(), counted(receipt), only_open)


def add(pipe: Pipeline, item: Item, keys: Keys, shas: Shas) -> None:
    """Put an item into a pipeline."""
    if isinstance(item, ServiceState):
        name = item.process_name
        key, services = keys.service(name), keys.services
        fields = orjson.dumps(item.to_hash())
        pipe.evalsha(shas.status, 2, key, services, keys.status, item.to_json(), name, fields)
    elif isinstance(item, Frozen):
        sha = shas.recall if item.only_open else shas.receipt
        ttl, channel, fields = str(RECEIPT_TTL_S), keys.command_results, item.fields
        rest: tuple[str | bytes, ...] = (ttl, channel, item.announcement, fields, *item.counted)
        pipe.evalsha(sha, 2, keys.command(item.id), keys.command_counts, *rest)
    elif isinstance(item, AuditEntry):
        pipe.xadd(keys.audit, item.to_hash(), maxlen=LENGTH, approximate=True)
    elif isinstance(item, ConfigNews):
        item.add_to(pipe, keys)
    elif isinstance(item, Answer):
        pipe.set(keys.answer(item.id), item.data, ex=ANSWER_TTL_S)
    elif isinstance(item, Level):
        pipe.set(item.key, item.data)
        if item.channel:
            pipe.publish(item.channel, item.data)
    elif isinstance(item, Ack):
        pipe.xack(item.stream, GROUP, item.entry_id)
        if item.delete:
            pipe.xdel(item.stream, item.entry_id)
    else:
        _add_reject(pipe, item, keys)


def _add_reject(pipe: Pipeline, item: Reject, keys: Keys) -> None:
    copy: dict[Any, Any] = {
        "stream": item.stream,
        "entry": item.entry_id,
        "reason": item.reason,
    }
    for name, value in list(item.fields.items())[:20]:
        if name != b"args":
            copy[b"field:" + name[:64]] = value[:256]
    pipe.xadd(keys.rejected, copy, maxlen=REJECTS_LENGTH, approximate=True)
    pipe.xack(item.stream, GROUP, item.entry_id)
    pipe.xdel(item.stream, item.entry_id)
