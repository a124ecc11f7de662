"""Whether a service is ready, in the words of the start-up status (contract rest.md 3.9). Pure."""

from typing import Any, Final

from shared.models.service import ServiceState
from shared.states import ServiceStatus

_WELL: Final = frozenset({"healthy", "degraded"})
_DOWN: Final = frozenset({ServiceStatus.EXITED, ServiceStatus.FAILED})


def readiness(state: ServiceState | None) -> dict[str, Any]:
    """`state`, `reason`, and the health of what runs."""
    if state is None:
        return {"state": "pending", "reason": None}
    if state.completed:
        return {"state": "ready", "reason": None} | _health(state)
    if state.status in _DOWN:
        return {"state": "failed", "reason": state.exit_reason or "it ended"}
    if not state.alive:
        waits = state.status is ServiceStatus.WAITING
        return {"state": "pending", "reason": f"waiting for {state.waiting_for}" if waits else None}
    running = state.status is not ServiceStatus.STARTING
    if running and state.health in _WELL:
        return {"state": "ready", "reason": None} | _health(state)
    waits_for = f"waiting for {state.waiting_for}" if state.waiting_for else None
    return {"state": "starting", "reason": state.health_reason or waits_for} | _health(state)


def _health(state: ServiceState) -> dict[str, Any]:
    return {"health_status": state.health, "health_details": state.health_details}
