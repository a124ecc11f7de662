"""What is wrong, in a few words. Pure: the route brings the facts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.models.service import ServiceState
from shared.states import Desired, ServiceStatus

LONGEST_DETAILS: Final = 200
STARTING_PHASES: Final = frozenset(
    {"initializing", "preinstalling", "starting_services", "stabilizing"}
)
"""Phases in which nothing is held against a service yet (contract rest.md 2)."""

_DOWN: Final = frozenset({ServiceStatus.EXITED, ServiceStatus.FAILED})


def problems_of(states: Mapping[str, ServiceState], *, trying: bool = False) -> list[str]:
    """Services that ought to run and do not, or run and are unhealthy, by name.

    `trying`: somebody is at the first-run wizard, which lets nobody in while this says anything.
    A service that it could not start yet must not keep them from trying again.
    """
    return [
        problem
        for _, state in sorted(states.items())
        if not (trying and _never_started(state)) and (problem := _problem(state)) is not None
    ]


def counted(problems: Sequence[str]) -> list[str]:
    """The same for strangers: how many, and no name."""
    if not problems:
        return []
    return [f"{len(problems)} service{'s need' if len(problems) > 1 else ' needs'} attention"]


def _never_started(state: ServiceState) -> bool:
    restart = state.restart
    failed = state.status is ServiceStatus.FAILED
    return failed and restart.ready_at is None and not restart.restart_attempts


def _problem(state: ServiceState) -> str | None:
    if state.completed:
        return None
    if state.status in _DOWN and (state.desired is Desired.UP or state.enabled):
        reason = state.exit_reason or "no reason known"
        if reason.startswith(state.process_name):  # a sentence of its own
            return reason
        return f"{state.process_name} {state.status}: {reason}"
    if state.status is ServiceStatus.RUNNING and state.health == "unhealthy":
        return f"{state.process_name} unhealthy: {state.health_reason or 'no reason known'}"
    return None


def details_of(problems: Iterable[str]) -> str:
    """The problems as one line of at most 200 characters."""
    text = " | ".join(problems).replace("\0", "")
    return re.sub(r"\s*[\r\n]+\s*", " ", text)[:LONGEST_DETAILS]
