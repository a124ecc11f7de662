"""The state machine of one service. Pure: who calls it does the I/O."""

from typing import Any

from shared.models.service import ServiceState
from shared.states import TRANSITIONS, ServiceStatus


class TransitionError(Exception):
    """A change that the transition table does not allow: a fault of this program."""


def change(state: ServiceState, status: ServiceStatus, **fields: Any) -> ServiceState:
    """The state after a change of status, its `seq` one higher.

    Raises:
        TransitionError: `shared.states.TRANSITIONS` has no such change.
    """
    if status is not state.status and status not in TRANSITIONS[state.status]:
        raise TransitionError(f"{state.process_name}: {state.status} -> {status}")
    return state.with_(status=status, seq=state.seq + 1, **fields)


def health_of(status: ServiceStatus, ports: tuple[int, ...]) -> dict[str, Any]:
    """The health fields that follow from a status alone (contract lifecycle 9)."""
    if status in {ServiceStatus.RUNNING, ServiceStatus.STOPPING}:
        details: dict[str, Any] = {"probe": "process"}
        if ports:
            details = {"probe": "process_and_ports", "ports": list(ports)}
        return {"health": "healthy", "health_reason": "", "health_details": details}
    if status is ServiceStatus.STARTING:
        return {"health": "starting", "health_reason": "", "health_details": {"probe": "process"}}
    return {
        "health": "unhealthy",
        "health_reason": "Process not running",
        "health_details": {"probe": "process"},
    }


READINESS = {
    ServiceStatus.STARTING: "starting",
    ServiceStatus.WAITING: "starting",
    ServiceStatus.RUNNING: "ready",
    ServiceStatus.STOPPING: "ready",
    ServiceStatus.FAILED: "unhealthy",
}
"""`readiness_state` of RestartStats by status; anything else is `pending`."""
