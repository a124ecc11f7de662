"""Commands on the wire and their receipts (docs/protocol.md, "Commands")."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

ID_PATTERN: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""What a command id may look like; a test holds it against docs/protocol.md."""

SLOT_PATTERN: Final = re.compile(r"cron:[^:]*:[0-9]+")
"""Ids of the supervisor's own commands for the slots of schedules: no entry may have one."""

DEFAULT_EXPIRY_S: Final = 300.0
"""A command read later than this after its own entry time is not run."""

RECEIPT_TTL_S: Final = 24 * 3600
"""How long a receipt is kept."""


MAX_ARGS_BYTES: Final = 5 << 20
"""Of `args`: a file of 4 MiB, spelled as JSON."""


class Action(StrEnum):
    """What can be asked. Only `TRIGGER_ACTIONS` may come over `dumb:triggers`."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RESET_RESTART_STATE = "reset-restart-state"
    BULK = "bulk"
    CANCEL = "cancel"
    START_CORE = "start-core"
    SET_LOG_LEVEL = "set-log-level"
    RELOAD_CONFIG = "reload-config"
    UPDATE_ACCOUNTS = "update-accounts"
    UPDATE_CONFIG = "update-config"
    READ_APP_CONFIG = "read-app-config"
    UPDATE_APP_CONFIG = "update-app-config"


SERVICE_ACTIONS: Final = frozenset({Action.START, Action.STOP, Action.RESTART})
"""What `bulk` does to several services."""

TRIGGER_ACTIONS: Final = SERVICE_ACTIONS | {Action.RESET_RESTART_STATE}


class CommandStatus(StrEnum):
    """Where a command is. The last five are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self not in {CommandStatus.QUEUED, CommandStatus.RUNNING}


@dataclass(frozen=True, slots=True)
class Command:
    """One accepted entry of a command stream, checked and complete."""

    id: str
    action: Action
    process_name: str
    stream: str
    entry_id: str
    actor: str = ""
    source: str = "redis"
    expires_at: float = 0.0
    """Epoch seconds."""
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Receipt:
    """What became of a command: the hash `dumb:command:<id>`. Times are epoch seconds."""

    id: str
    action: str = ""
    process_name: str = ""
    actor: str = ""
    source: str = ""
    status: CommandStatus = CommandStatus.QUEUED
    detail: str = ""
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    steps: list[tuple[float, str]] = field(default_factory=list)
    result: dict[str, Any] | None = None

    def to_hash(self) -> dict[str, str]:
        """The Redis hash: plain strings, JSON only for `steps` and `result`."""
        return {
            "action": self.action,
            "process_name": self.process_name,
            "actor": self.actor,
            "source": self.source,
            "status": self.status.value,
            "detail": self.detail,
            "created_at": str(self.created_at),
            "started_at": "" if self.started_at is None else str(self.started_at),
            "finished_at": "" if self.finished_at is None else str(self.finished_at),
            "steps": orjson.dumps(self.steps).decode(),
            "result": "" if self.result is None else orjson.dumps(self.result).decode(),
        }

    def to_json(self) -> bytes:
        """The announcement on `dumb:command-results`, and what REST answers."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes | str) -> "Receipt":
        """Parse an announcement. Raises `ValueError` when it is not one."""
        try:
            tree = orjson.loads(data)
            tree["status"] = CommandStatus(tree["status"])
            tree["steps"] = [(at, what) for at, what in tree.get("steps", [])]
            return cls(**tree)
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from error

    @classmethod
    def from_hash(cls, command_id: str, raw: Mapping[bytes, bytes]) -> "Receipt":
        """Parse the Redis hash. Raises `ValueError` when somebody wrote nonsense into it."""
        text = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in raw.items()}
        steps = orjson.loads(text.get("steps") or "[]")
        return cls(
            id=command_id,
            action=text.get("action", ""),
            process_name=text.get("process_name", ""),
            actor=text.get("actor", ""),
            source=text.get("source", ""),
            status=CommandStatus(text.get("status", "queued")),
            detail=text.get("detail", ""),
            created_at=float(text.get("created_at") or 0),
            started_at=_time(text.get("started_at")),
            finished_at=_time(text.get("finished_at")),
            steps=[(float(at), str(what)) for at, what in steps],
            result=orjson.loads(text["result"]) if text.get("result") else None,
        )


def _time(text: str | None) -> float | None:
    return float(text) if text else None
