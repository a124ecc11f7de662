"""The sockets' routes. Rooms live in `app.state`, made when their first client comes."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket

from services.api.auth.admission import accepted_protocol
from services.api.auth.live import while_admitted
from services.api.charts.answers import Charts
from services.api.ws.logs import LogLimits, LogRoom
from services.api.ws.metrics import MetricsRoom
from services.api.ws.session import STUCK_S
from services.api.ws.status import StatusRoom


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where the sockets of this replica meet."""

    logs: LogRoom
    status: StatusRoom
    metrics: MetricsRoom


def open_rooms(
    state: Any, *, log_limits: LogLimits | None = None, stuck_after: float = STUCK_S
) -> Rooms:
    """Make the rooms of an app whose `state` has `bridge`, `redis`, `keys`; `situation` if any."""
    rooms = Rooms(
        LogRoom(state.bridge, state.redis, state.keys, log_limits),
        StatusRoom(state.bridge, getattr(state, "situation", None), stuck_after),
        MetricsRoom(
            state.bridge,
            state.redis,
            state.keys,
            Charts(state.redis, state.keys),
            stuck_after,
        ),
    )
    state.rooms = rooms
    return rooms


def ws_routes() -> APIRouter:
    """Routes of the three sockets."""
    router = APIRouter()
    router.add_api_websocket_route("/ws/logs", _logs)
    router.add_api_websocket_route("/ws/status", _status)
    router.add_api_websocket_route("/ws/metrics", _metrics)
    return router


async def _logs(websocket: WebSocket) -> None:
    await while_admitted(websocket, _rooms(websocket).logs.serve(websocket))


async def _status(websocket: WebSocket) -> None:
    await websocket.accept(accepted_protocol(websocket.scope))
    await while_admitted(websocket, _rooms(websocket).status.serve(websocket))


async def _metrics(websocket: WebSocket) -> None:
    await websocket.accept(accepted_protocol(websocket.scope))
    await while_admitted(websocket, _rooms(websocket).metrics.serve(websocket))


def _rooms(websocket: WebSocket) -> Rooms:
    state = websocket.app.state
    found: Rooms = getattr(state, "rooms", None) or open_rooms(state)
    return found
