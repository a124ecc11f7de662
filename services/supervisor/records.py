"""What the journal says: its records, and what they add up to. Pure."""

from dataclasses import dataclass, field
from typing import Any, Final

from shared.models.command import RECEIPT_TTL_S, CommandStatus

MAX_OUTCOMES: Final = 50_000
"""At most so many outcomes are remembered, the newest ones."""


@dataclass(slots=True)
class Intent:
    """A command that was begun. `target` is the generation that a restart must reach."""

    id: str
    action: str
    service: str
    target: int
    stream: str = ""
    """Where the command came from: the two streams count their entry ids on their own."""

    def record(self) -> dict[str, Any]:
        """As a line of the journal."""
        return {
            "k": "intent",
            "id": self.id,
            "action": self.action,
            "service": self.service,
            "target": self.target,
            "stream": self.stream,
        }


@dataclass(slots=True)
class Outcome:
    """How a command ended. `at` is epoch seconds."""

    id: str
    status: CommandStatus
    detail: str
    at: float
    stream: str = ""

    def record(self) -> dict[str, Any]:
        """As a line of the journal."""
        return {
            "k": "outcome",
            "id": self.id,
            "status": self.status.value,
            "detail": self.detail,
            "at": self.at,
            "stream": self.stream,
        }


@dataclass(slots=True)
class Memory:
    """What the records add up to."""

    boot_id: str = ""
    clean: bool = True
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per process name: `state` (a ServiceState), `process` (an Identity or null), `attempts`
    (times of automatic restarts, in seconds since boot)."""
    slots: dict[str, float] = field(default_factory=dict)
    """Per process name: until when its schedule was seen to. Epoch seconds."""
    intents: dict[str, Intent] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def apply(self, record: dict[str, Any]) -> None:
        """Add one record. Raises `KeyError`, `TypeError` or `ValueError` for a malformed one."""
        kind = record["k"]
        if kind == "service":
            self.services[record["name"]] = record
        elif kind == "forget":
            self.services.pop(record["name"], None)
            self.slots.pop(record["name"], None)
        elif kind == "slot":
            self.slots[record["name"]] = float(record["at"])
        elif kind == "intent":
            self.intents[record["id"]] = Intent(
                record["id"],
                record["action"],
                record["service"],
                record["target"],
                record.get("stream", ""),
            )
        elif kind == "outcome":
            self.intents.pop(record["id"], None)
            self.outcomes[record["id"]] = Outcome(
                record["id"],
                CommandStatus(record["status"]),
                record["detail"],
                record["at"],
                record.get("stream", ""),
            )
        elif kind == "run":
            self.boot_id = record["boot_id"]
            self.clean = record["clean"]
        else:
            raise ValueError(f"a record of kind {kind!r}")

    def expire(self, now: float) -> None:
        """Forget outcomes older than the receipts are kept, and what is too many."""
        limit = now - RECEIPT_TTL_S
        kept = [o for o in self.outcomes.values() if o.at >= limit][-MAX_OUTCOMES:]
        self.outcomes = {o.id: o for o in kept}

    def records(self) -> list[dict[str, Any]]:
        """The records that make up this memory, for a rewrite."""
        return [
            {"k": "run", "boot_id": self.boot_id, "clean": self.clean},
            *self.services.values(),
            *({"k": "slot", "name": name, "at": at} for name, at in self.slots.items()),
            *(intent.record() for intent in self.intents.values()),
            *(outcome.record() for outcome in self.outcomes.values()),
        ]
