"""How far a boot is. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from services.supervisor.fleet.needs import has_reached, lacks
from shared.config.dependencies import Condition
from shared.models.service import ServiceState
from shared.states import Desired, ServiceStatus

SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class BootOptions:
    """`dumb.startup`; seconds (contract lifecycle.md 6)."""

    readiness_timeout_s: float = 300.0
    stabilization_s: float = 15.0


def boot_options(startup: Any) -> BootOptions:
    """The options of a `dumb.startup` block; what is missing or malformed keeps its default."""
    block = startup if isinstance(startup, dict) else {}
    default = BootOptions()
    return BootOptions(
        _seconds(block.get("readiness_timeout_seconds"), default.readiness_timeout_s),
        _seconds(block.get("stabilization_seconds"), default.stabilization_s),
    )


@dataclass(frozen=True, slots=True)
class Expected:
    """A service of the boot. `working`: a request for it is under way."""

    state: ServiceState
    working: bool


@dataclass(frozen=True)
class Survey:
    """What became of the expected services so far."""

    ready: int = 0
    coming: dict[str, str] = field(default_factory=dict)
    """What each one is waited for, by process name."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why each one will not be ready by itself."""

    def progress(self) -> str:
        """The line for people: `12/31 ready, waiting for PostgreSQL: port 5432`."""
        total = self.ready + len(self.coming) + len(self.failed)
        parts = [f"{self.ready}/{total} ready"]
        if self.failed:
            parts.append(f"failed: {_some(self.failed)}")
        if self.coming:
            parts.append(f"waiting for {_some(f'{n}: {w}' for n, w in self.coming.items())}")
        return ", ".join(parts)


def survey(expected: Iterable[Expected]) -> Survey:
    """Sort the services of a boot."""
    ready = 0
    coming: dict[str, str] = {}
    waiting: dict[str, str] = {}
    failed: dict[str, str] = {}
    for one in expected:
        state = one.state
        if has_reached(Condition.READY, state):
            ready += 1
        elif one.working or state.alive:
            # Those that only wait for others come last: they are not why it takes so long.
            known = waiting if state.status is ServiceStatus.WAITING else coming
            known[state.process_name] = state.waiting_for or state.status.value
        elif state.desired is Desired.UP:  # else somebody stopped it meanwhile
            failed[state.process_name] = reason_of(state)
    return Survey(ready, coming | waiting, failed)


def reason_of(state: ServiceState) -> str:
    """Why a service is not ready, for people."""
    if state.status is ServiceStatus.WAITING:
        return f"waiting for {state.waiting_for}"
    return state.exit_reason or lacks(Condition.READY, state)


def _some(texts: Iterable[str]) -> str:
    known = list(texts)
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return ", ".join(known[:SHOWN]) + more


def _seconds(value: Any, fallback: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        return fallback
    return float(value)
