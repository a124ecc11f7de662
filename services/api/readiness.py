"""Whether a service is ready, in the words of the start-up status (contract rest.md 3.9). Pure."""

from typing import Any

from shared.judgement import Judgement
from shared.models.service import ServiceState
from shared.states import ServiceStatus


def readiness(state: ServiceState | None, judgement: Judgement | None) -> dict[str, Any]:
    """`state`, `reason`, and the health of what runs.

    `judgement`: of the service apart from the boot, whose phase stands beside it.
    """
    if state is None or judgement is None:
        return {"state": "pending", "reason": None}
    if judgement.ready:
        return {"state": "ready", "reason": None} | _health(state)
    if state.alive:
        return {"state": "starting", "reason": judgement.reason} | _health(state)
    if judgement.attention:
        return {"state": "failed", "reason": judgement.reason}
    waits = state.status is ServiceStatus.WAITING
    return {"state": "pending", "reason": judgement.reason if waits else None}


def _health(state: ServiceState) -> dict[str, Any]:
    return {"health_status": state.health, "health_details": state.health_details}
