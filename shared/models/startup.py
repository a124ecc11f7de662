"""How the boot goes: the key `dumb:startup` (contract rest.md 3.9)."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson


class Phase(StrEnum):
    """Where the supervisor is. `preinstalling` is the original's; nothing here needs it."""

    INITIALIZING = "initializing"
    PREINSTALLING = "preinstalling"
    STARTING_SERVICES = "starting_services"
    STABILIZING = "stabilizing"
    READY = "ready"
    DEGRADED = "degraded"
    SHUTTING_DOWN = "shutting_down"

    @property
    def terminal(self) -> bool:
        """Whether the boot is over, one way or another."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset({Phase.READY, Phase.DEGRADED, Phase.SHUTTING_DOWN})


@dataclass(frozen=True, slots=True)
class Startup:
    """A level. Times: epoch seconds. `reason`: what the phase waits for or why it is degraded."""

    phase: Phase = Phase.INITIALIZING
    reason: str = ""
    started_at: float = 0.0
    completed_at: float | None = None
    expected_services: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    """Why, by process name."""

    def to_json(self) -> bytes:
        """What stands in Redis."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes | str) -> "Startup":
        """Parse it. Raises `ValueError` when it is nothing of the kind."""
        try:
            tree = orjson.loads(data)
            return cls(
                phase=Phase(tree["phase"]),
                reason=str(tree.get("reason", "")),
                started_at=float(tree.get("started_at") or 0),
                completed_at=_time(tree.get("completed_at")),
                expected_services=tuple(str(name) for name in tree.get("expected_services", ())),
                failures={str(k): str(v) for k, v in dict(tree.get("failures") or {}).items()},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from error


def _time(value: Any) -> float | None:
    return None if value is None else float(value)
