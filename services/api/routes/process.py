"""Start, stop, restart, and what a service does now."""

from dataclasses import asdict
from typing import Any, Final, cast

from fastapi import APIRouter
from redis.asyncio import Redis
from starlette.responses import Response

from services.api.answers import Json, retry_later
from services.api.asked import Asked, AskedDep
from services.api.command_errors import StateError
from services.api.commands import CommandService, Order, failed_with
from services.api.deps import BridgeDep, CommandsDep, KeysDep, RedisDep
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem, Queued, ServiceRequest, ServiceStatusBody, StopDone
from services.api.schemas import Started as StartedBody
from services.api.schemas import Stopped as StoppedBody
from services.api.situation import Situation, SituationDep
from services.api.ws.status_board import API_KEY, schedule_of, standing_of
from shared.bus.keys import Keys
from shared.bus.services import read_service
from shared.config.names import loose, resolve
from shared.models.command import Action, Receipt
from shared.models.service import ServiceState
from shared.states import ServiceStatus

router = APIRouter(prefix="/process", tags=["process"], route_class=JsonRoute)

WORDS: Final = {
    Action.START: "Service started successfully",
    Action.STOP: "Service stopped successfully",
    Action.RESTART: "Service restarted successfully",
    Action.RESET_RESTART_STATE: "Restart state reset successfully",
}
"""Clients compare nothing of it, but show it (contract rest.md 3.3 to 3.5)."""

API_ALIASES: Final = frozenset({"dumbapi", "dmbapi"})
"""How clients of the original spell the API's own entry, loosely."""

_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Queued, "description": "Taken in; `Location` leads to its receipt"},
    404: {"model": Problem, "description": "No such service; names the nearest one"},
    409: {"model": Problem, "description": "Cancelled by a later request, or not allowed"},
    500: {"model": Problem, "description": "Failed; the detail is the cause"},
    503: {"model": Problem, "description": "Redis or the supervisor is away"},
    504: {"model": Problem, "description": "Not finished within the service's own budget"},
}


@router.post("/start-service", response_model=StartedBody, responses=_FAILURES)
async def start_service(body: ServiceRequest, asked: AskedDep, commands: CommandsDep) -> Response:
    """Start a service and answer when it is ready. A running one is left alone."""
    return await _carry_out(commands, asked, Action.START, body.process_name)


@router.post("/stop-service", response_model=StopDone, responses=_FAILURES)
async def stop_service(body: ServiceRequest, asked: AskedDep, commands: CommandsDep) -> Response:
    """Stop a service and answer when it is gone. A stopped one is left alone.

    `needed_by` names services that run, or wait, and need it.
    """
    return await _carry_out(commands, asked, Action.STOP, body.process_name)


@router.post("/restart-service", response_model=StoppedBody, responses=_FAILURES)
async def restart_service(body: ServiceRequest, asked: AskedDep, commands: CommandsDep) -> Response:
    """Stop a service, start it, and answer when it is ready."""
    return await _carry_out(commands, asked, Action.RESTART, body.process_name)


@router.post("/reset-restart-state", response_model=StartedBody, responses=_FAILURES)
async def reset_restart_state(
    body: ServiceRequest, asked: AskedDep, commands: CommandsDep
) -> Response:
    """Forget the counters of automatic restarts; what gave up gets a new chance."""
    return await _carry_out(commands, asked, Action.RESET_RESTART_STATE, body.process_name)


@router.get(
    "/service-status",
    response_model=ServiceStatusBody,
    response_model_exclude_unset=True,
    responses={404: {"model": Problem}, 409: {"model": Problem}, 503: {"model": Problem}},
)
async def get_service_status(
    redis: RedisDep,
    keys: KeysDep,
    bridge: BridgeDep,
    situations: SituationDep,
    *,
    process_name: str,
    include_health: bool = False,
) -> Response:
    """Whether a service runs. Spaces and case of the name do not matter.

    Read from Redis and not from memory: true on every replica as soon as a command is answered.
    """
    state = await _read(redis, keys, process_name) if process_name else None
    if state is None:
        state = await _find_loosely(redis, keys, process_name, bridge.states)
    situation = await situations.read() if include_health else None
    return Json(status_body(process_name, state, situation))


async def _carry_out(commands: CommandService, asked: Asked, action: Action, name: str) -> Response:
    order = Order(action, name, asked.actor, asked.key, asked.owner, asked.wait, asked.location)
    receipt = await commands.place(order)
    if asked.wait:
        return _outcome(receipt, action, name, {"x-command-id": receipt.id})
    return asked.taken_in(receipt)


def _outcome(receipt: Receipt, action: Action, name: str, headers: dict[str, str]) -> Response:
    status = failed_with(receipt)
    if status is not None:
        detail = receipt.detail or f"The {action} of '{name}' ended as {receipt.status}."
        extra = retry_later() if status == 503 else {}
        return Json({"detail": detail}, status, headers | extra)
    body: dict[str, Any] = {"status": WORDS[action], "process_name": name}
    if action in {Action.STOP, Action.RESTART}:
        body["media_protection"] = media_protection(name, action)
    if users := (receipt.result or {}).get("needed_by"):
        body["needed_by"] = users
    return Json(body, 200, headers)


def media_protection(name: str, action: Action) -> dict[str, Any]:
    """What clients expect of a feature that is not there: nothing is protected."""
    return {
        "status": "not_applicable",
        "token": None,
        "preflight": {
            "protected": False,
            "process_name": name,
            "action": action.value,
            "blocked": False,
            "busy": False,
            "unknown": False,
            "media_servers": [],
        },
    }


async def _find_loosely(
    redis: Redis, keys: Keys, wanted: str, states: dict[str, ServiceState]
) -> ServiceState:
    """Raises `UnknownServiceError`, `AmbiguousServiceError`."""
    members = cast("set[bytes]", await redis.smembers(keys.services))
    names = {raw.decode("utf-8", "replace") for raw in members}
    if loose(wanted) in API_ALIASES and wanted not in names:
        own = next((s for s in states.values() if s.config_key == API_KEY), None)
        return own or ServiceState(
            wanted, ServiceStatus.RUNNING, health="healthy", health_reason=""
        )
    name = resolve(sorted(names), wanted)
    return await _read(redis, keys, name) or ServiceState(name)


async def _read(redis: Redis, keys: Keys, name: str) -> ServiceState | None:
    """Raises `StateError` when somebody wrote nonsense into the hash."""
    try:
        return await read_service(redis, keys, name)
    except (ValueError, TypeError) as error:
        raise StateError(
            f"The published state of '{name[:200]}' is unreadable. The supervisor writes it anew "
            "with the next change."
        ) from error


def status_body(
    asked: str, state: ServiceState, situation: Situation | None = None
) -> dict[str, Any]:
    """The answer of `service-status`; `asked` is the name as the client spelled it.

    `situation`: for the form with health.
    """
    body: dict[str, Any] = {
        "process_name": asked,
        "status": state.rest_status,
        **standing_of(state),
    }
    if situation is None:
        return body
    return body | {
        "healthy": state.healthy,
        "health_status": state.health,
        "health_reason": state.health_reason or None,
        "health_details": state.health_details,
        "restart": asdict(state.restart),
        "judgement": situation.judge(state).shown(),
        **schedule_of(state),
    }
