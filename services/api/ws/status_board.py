"""What `/ws/status` says about the services (contract websocket.md 3). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from services.api.situation import Situation
from shared.bus.jobs import JobNews
from shared.judgement import is_usable
from shared.models.service import ServiceState

API_KEY: Final = "dumb_api_service"
"""`config_key` of the API's own entry, which comes last."""


def is_running(state: ServiceState | None) -> bool:
    """Whether a client sees this service as running."""
    return state is not None and state.rest_status == "running"


def running_in_order(states: Mapping[str, ServiceState]) -> list[ServiceState]:
    """Running services in the order of their starts."""
    running = [state for state in states.values() if is_running(state)]
    running.sort(key=lambda s: (s.config_key == API_KEY, s.started_at or 0.0, s.process_name))
    return running


def render(
    states: Mapping[str, ServiceState],
    left: Iterable[str],
    *,
    health: bool,
    situation: Situation | None = None,
) -> str:
    """One frame. `left` names services that have just stopped running."""
    situation = situation or Situation()
    running = running_in_order(states)
    tree: dict[str, Any]
    if health:
        entries = [_entry(state, situation) for state in running]
        gone = sorted(name for name in left if not is_running(states.get(name)))
        entries += [_stopped(name, states.get(name), situation) for name in gone]
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


def standing_of(state: ServiceState) -> dict[str, Any]:
    """What stands beside the two words of the contract: alive is not ready."""
    return {
        "state": state.status.value,
        "ready": is_usable(state),
        "waiting_for": state.waiting_for or None,
        "last_failure_reason": state.restart.last_failure_reason,
    }


def _entry(state: ServiceState, situation: Situation) -> dict[str, Any]:
    return {
        "process_name": state.process_name,
        "status": "running",
        **standing_of(state),
        "healthy": state.healthy,
        "health_status": state.health,
        "health_reason": state.health_reason or None,
        "health_details": state.health_details,
        "restart": state.restart,
        "judgement": situation.judge(state).shown(),
        **schedule_of(state),
    }


def _stopped(name: str, state: ServiceState | None, situation: Situation) -> dict[str, Any]:
    state = state or ServiceState(name)
    return {
        "process_name": name,
        "status": "stopped",
        **standing_of(state),
        "healthy": False,
        "health_status": "unhealthy",
        "health_reason": "Process not running",
        "health_details": {"probe": "process"},
        "restart": state.restart,
        "judgement": situation.judge(state).shown(),
    }
