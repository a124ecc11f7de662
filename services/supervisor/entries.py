"""From a raw stream entry to a command, or to the reason why not. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from shared.models.command import (
    DEFAULT_EXPIRY_S,
    ID_PATTERN,
    MAX_ARGS_BYTES,
    SLOT_PATTERN,
    TRIGGER_ACTIONS,
    Action,
    Command,
)

MAX_FIELDS: Final = 32
MAX_VALUE_BYTES: Final = 8 << 10
MAX_ACTION: Final = 64
MAX_NAME: Final = 200
MAX_ACTOR: Final = 200
MAX_SOURCE: Final = 32
"""How many characters of a field are kept."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an entry asked for, as far as it can be read: its receipt keeps it."""

    action: str = ""
    process_name: str = ""
    actor: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """Why an entry is rejected. `command_id` is its own id if that was usable."""

    command_id: str
    reason: str
    asked: Asked = Asked()


def parse_entry(
    stream: str, entry_id: str, raw: Mapping[bytes, bytes], *, trigger: bool
) -> Command | Malformed:
    """Check an entry of a command stream.

    `trigger`: it came over `dumb:triggers`, where only a few actions are allowed and `args`,
    `actor` and `source` are ignored (docs/protocol.md, "Commands").
    """
    if not raw:
        return Malformed(entry_id, "trimmed: the entry was deleted before it was carried out")
    asked = _asked(raw, trigger=trigger)
    try:
        fields = _decode(raw)
        command_id = _command_id(fields, entry_id)
    except ValueError as error:
        return Malformed(entry_id, str(error), asked)
    try:
        return Command(
            id=command_id,
            action=_action(fields, trigger=trigger),
            process_name=fields.get("process_name", ""),
            stream=stream,
            entry_id=entry_id,
            actor=asked.actor,
            source=asked.source,
            expires_at=_expires_at(fields, entry_id),
            args={} if trigger else _args(fields),
        )
    except ValueError as error:
        return Malformed(command_id, str(error), asked)


def _asked(raw: Mapping[bytes, bytes], *, trigger: bool) -> Asked:
    """Each field by itself, in whatever state the others are."""

    def text(name: bytes, limit: int, absent: bytes = b"") -> str:
        return raw.get(name, absent)[: 4 * limit].decode("utf-8", "replace")[:limit]

    return Asked(
        action=text(b"action", MAX_ACTION),
        process_name=text(b"process_name", MAX_NAME),
        actor="" if trigger else text(b"actor", MAX_ACTOR),
        source="trigger" if trigger else text(b"source", MAX_SOURCE, b"redis"),
    )


def _decode(raw: Mapping[bytes, bytes]) -> dict[str, str]:
    if len(raw) > MAX_FIELDS:
        raise ValueError(f"{len(raw)} fields: at most {MAX_FIELDS} are allowed")
    fields: dict[str, str] = {}
    for name, value in raw.items():
        limit = MAX_ARGS_BYTES if name == b"args" else MAX_VALUE_BYTES
        if len(name) > 64 or len(value) > limit:
            raise ValueError(f"a field of {len(name) + len(value)} bytes is too large")
        try:
            fields[name.decode()] = value.decode()
        except UnicodeDecodeError:
            label = name[:64].decode("ascii", "backslashreplace")
            raise ValueError(f"field '{label}' is not UTF-8") from None
    return fields


def _command_id(fields: Mapping[str, str], entry_id: str) -> str:
    command_id = fields.get("id", "") or entry_id
    if ID_PATTERN.fullmatch(command_id) is None:
        raise ValueError("id: use 1 to 128 of A-Z a-z 0-9 . _ : -")
    if SLOT_PATTERN.fullmatch(command_id):
        # It would be that slot's outcome, and what is to run then would not be run.
        raise ValueError("id: cron:<service>:<seconds> is what schedules use")
    return command_id


def _action(fields: Mapping[str, str], *, trigger: bool) -> Action:
    text = fields.get("action", "")
    try:
        action = Action(text)
    except ValueError:
        known = ", ".join(sorted(TRIGGER_ACTIONS if trigger else Action))
        raise ValueError(f"action '{text[:MAX_ACTION]}' is unknown: use {known}") from None
    if trigger and action not in TRIGGER_ACTIONS:
        raise ValueError(f"action '{action}' is not allowed on this stream")
    return action


def _expires_at(fields: Mapping[str, str], entry_id: str) -> float:
    """Epoch seconds."""
    text = fields.get("expires_at_ms", "")
    if not text:
        return int(entry_id.split("-")[0]) / 1000 + DEFAULT_EXPIRY_S
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise ValueError("expires_at_ms: milliseconds since 1970, digits only")
    return int(text) / 1000


def _args(fields: Mapping[str, str]) -> dict[str, Any]:
    text = fields.get("args", "")
    if not text:
        return {}
    try:
        args = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"args is not JSON: {error}") from None
    if not isinstance(args, dict):
        raise ValueError("args must be a JSON object")  # noqa: TRY004
    return args
