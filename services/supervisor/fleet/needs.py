"""Whether what a service needs is there. Pure.

A need is met, or it is coming (somebody works on it), or it is down: nothing will change until
somebody starts it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.config.dependencies import Condition, Need
from shared.models.service import ServiceState
from shared.states import Desired, ServiceStatus

_S = ServiceStatus

_WELL: Final = frozenset({"healthy", "degraded"})
_SHOWN: Final = 3
_LONGEST: Final = 200


class Standing(StrEnum):
    """How it stands with a need."""

    MET = "met"
    COMING = "coming"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Other:
    """A service as those see it that need it.

    `busy`: a request is under way or waits. `leaving`: one of them will end what runs now.
    """

    state: ServiceState
    busy: bool = False
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """The answer for one need; `what` is waited for, as `PostgreSQL: port 5432`."""

    on: str
    standing: Standing
    what: str = ""


def judge(need: Need, other: Other | None) -> Look:
    """How it stands with a need. `other` None: the API itself, which is there."""
    if other is None:
        return Look(need.on, Standing.MET)
    state = other.state
    if has_reached(need.condition, state):
        if not other.leaving:
            return Look(need.on, Standing.MET)
        return Look(need.on, Standing.COMING, f"{need.on}: about to be stopped or restarted")
    coming = other.busy or state.alive or _comes_back(state)
    standing = Standing.COMING if coming else Standing.DOWN
    return Look(need.on, standing, f"{need.on}: {lacks(need.condition, state)}")


def has_reached(condition: Condition, state: ServiceState) -> bool:
    """Whether a service has reached a condition. One that is completed was ready and healthy."""
    if condition is Condition.COMPLETED or state.completed:
        return state.completed
    if condition is Condition.STARTED:
        return state.status in {_S.STARTING, _S.RUNNING}
    ready = state.status is _S.RUNNING
    return ready and (condition is Condition.READY or state.health in _WELL)


def lacks(condition: Condition, state: ServiceState) -> str:
    """What keeps a service from a condition, in a few words."""
    if state.status in {_S.FAILED, _S.EXITED}:
        if _comes_back(state):
            return "to be restarted"
        return f"failed ({state.exit_reason[:_LONGEST].rstrip('.') or 'no reason known'})"
    if state.status is _S.STOPPED:
        return "not started" if state.generation == 0 else "stopped"
    if state.status is _S.RUNNING:
        if condition is Condition.COMPLETED:
            return "to complete"
        return f"healthy ({state.health_reason or state.health})"
    if state.status is _S.STARTING and state.waiting_for:
        return state.waiting_for
    return state.status.value


def summary(looks: Iterable[Look]) -> str:
    """What is waited for, the first few."""
    texts = [look.what for look in looks]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _comes_back(state: ServiceState) -> bool:
    """Whether an automatic restart is scheduled."""
    return state.restart.pending and state.desired is Desired.UP
