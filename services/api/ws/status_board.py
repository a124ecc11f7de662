"""What `/ws/status` says about the services (contract websocket.md 3). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from shared.bus.jobs import JobNews
from shared.models.service import ServiceState
from shared.states import REST_RUNNING

API_KEY: Final = "dumb_api_service"
"""`config_key` of the API's own entry, which comes last."""

_HEALTHY: Final = frozenset({"healthy", "degraded", "starting"})


def is_running(state: ServiceState | None) -> bool:
    """Whether a client sees this service as running."""
    return state is not None and state.status in REST_RUNNING


def running_in_order(states: Mapping[str, ServiceState]) -> list[ServiceState]:
    """Running services in the order of their starts."""
    running = [state for state in states.values() if is_running(state)]
    running.sort(key=lambda s: (s.config_key == API_KEY, s.started_at or 0.0, s.process_name))
    return running


def render(states: Mapping[str, ServiceState], left: Iterable[str], *, health: bool) -> str:
    """One frame. `left` names services that have just stopped running."""
    running = running_in_order(states)
    tree: dict[str, Any]
    if health:
        entries = [_entry(state) for state in running]
        gone = sorted(name for name in left if not is_running(states.get(name)))
        entries += [_stopped(name, states.get(name)) for name in gone]
        tree = {"type": "status", "processes": entries}
    else:
        tree = {"type": "status", "running": [state.process_name for state in running]}
    return orjson.dumps(tree).decode()


def render_jobs(news: Iterable[JobNews]) -> str:
    """The frame of background jobs, for clients with `jobs=true`."""
    return orjson.dumps({"type": "jobs", "jobs": list(news)}).decode()


def schedule_of(state: ServiceState) -> dict[str, Any]:
    """What a service with a schedule has beside the fields of the contract."""
    if state.next_run_at is None and not state.schedule_note:
        return {}
    note = state.schedule_note or None
    return {"schedule": {"next_run_at": state.next_run_at, "note": note}}


def _entry(state: ServiceState) -> dict[str, Any]:
    return {
        "process_name": state.process_name,
        "status": "running",
        "healthy": state.health in _HEALTHY,
        "health_status": state.health,
        "health_reason": state.health_reason or None,
        "health_details": state.health_details,
        "restart": state.restart,
        **schedule_of(state),
    }


def _stopped(name: str, state: ServiceState | None) -> dict[str, Any]:
    return {
        "process_name": name,
        "status": "stopped",
        "healthy": False,
        "health_status": "unhealthy",
        "health_reason": "Process not running",
        "health_details": {"probe": "process"},
        "restart": (state or ServiceState(name)).restart,
    }
