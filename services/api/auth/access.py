"""The one place that decides who gets in, for every route and every socket.

It is a dependency of the whole application: a new route is closed until `roles.py` opens it.
"""

import time
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, WebSocketException
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from redis.exceptions import RedisError
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from services.api.auth.errors import (
    AuthUnknownError,
    ForbiddenError,
    NotAuthenticatedError,
    Reason,
)
from services.api.auth.principal import Principal
from services.api.auth.roles import EXEMPT, SOCKET, needed_role
from services.api.auth.service import Auth
from shared.models.account import Role

POLICY_VIOLATION: Final = 1008
TRY_AGAIN_LATER: Final = 1013
SUBPROTOCOL: Final = "bearer"


class Access(SecurityBase):
    """The dependency; OpenAPI shows it as bearer authentication."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An access token, or an API token (`dumb_...`)")
        self.scheme_name = "Bearer"

    async def __call__(self, connection: HTTPConnection) -> None:
        """Leave the `Principal` in `state.principal`, or refuse."""
        if isinstance(connection, WebSocket):
            await _admit_socket(connection)
            return
        path = getattr(connection.scope.get("route"), "path", "")
        role = needed_role(connection.scope["method"], path)
        if role is not None:
            auth: Auth = connection.app.state.auth
            token = bearer(connection.headers.getlist("authorization"))
            connection.state.principal = await admit(auth, token, role)


async def admit(auth: Auth, token: str | None, role: Role) -> Principal:
    """Who sent this token, if they may do what `role` may.

    Raises:
        NotAuthenticatedError, ForbiddenError: they may not.
        AuthUnknownError, redis.exceptions.RedisError, OSError: it cannot be known now.
    """
    principal = await auth.gate.identify(token)
    if principal.expires_at is not None and principal.expires_at <= time.time():
        raise NotAuthenticatedError(Reason.INVALID)
    if not principal.role.covers(role):
        raise ForbiddenError(f"This needs the role {role}; you are {principal.role}.")
    return principal


def bearer(values: list[str]) -> str | None:
    """The token of an `Authorization` header. Other schemes count as none (contract auth.md 4)."""
    for value in values:
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return None


def socket_token(websocket: WebSocket) -> str | None:
    """From `?token=`, the `Authorization` header, or the subprotocols `bearer, <token>`."""
    asked = websocket.query_params.get("token")
    if asked:
        return asked
    sent = bearer(websocket.headers.getlist("authorization"))
    offered = offered_protocols(websocket)
    if sent is None and len(offered) >= 2 and offered[0].lower() == SUBPROTOCOL:
        return offered[1]
    return sent


def offered_protocols(websocket: WebSocket) -> list[str]:
    """What the client offered, in its order."""
    found: list[str] = websocket.scope.get("subprotocols") or []
    return found


def accepted_protocol(websocket: WebSocket) -> str | None:
    """The subprotocol to accept with: a browser that offered some insists on one."""
    offered = offered_protocols(websocket)
    return offered[0] if offered and offered[0].lower() == SUBPROTOCOL else None


def socket_role(websocket: WebSocket) -> Role:
    """The least role for this socket's route."""
    path = getattr(websocket.scope.get("route"), "path", "")
    return needed_role(SOCKET, path) or Role.ADMIN


async def _admit_socket(websocket: WebSocket) -> None:
    """Refuse by accepting and closing: a browser is told nothing of a refused handshake."""
    auth: Auth = websocket.app.state.auth
    websocket.state.changed = auth.news.next  # before looking: see auth/live.py
    try:
        principal = await admit(auth, socket_token(websocket), socket_role(websocket))
    except (NotAuthenticatedError, ForbiddenError) as error:
        await websocket.accept(accepted_protocol(websocket))
        raise WebSocketException(POLICY_VIOLATION, close_reason(error)) from error
    except (AuthUnknownError, RedisError, OSError) as error:
        await websocket.accept(accepted_protocol(websocket))
        raise WebSocketException(TRY_AGAIN_LATER, "Accounts are not available now.") from error
    websocket.state.principal = principal


def close_reason(error: Exception) -> str:
    """What a refused or ended socket is told: at most 123 bytes."""
    return str(error).encode()[:120].decode("utf-8", "ignore")


async def _principal(request: Request) -> Principal:
    found: Principal = request.state.principal
    return found


async def _auth(request: Request) -> Auth:
    found: Auth = request.app.state.auth
    return found


PrincipalDep = Annotated[Principal, Depends(_principal)]
AuthDep = Annotated[Auth, Depends(_auth)]


def show_exempt(app: FastAPI) -> None:
    """Make the OpenAPI document say which operations need no token."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        for method, path in EXEMPT:
            operation = document["paths"].get(path, {}).get(method.lower())
            if operation is not None:
                operation.pop("security", None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
