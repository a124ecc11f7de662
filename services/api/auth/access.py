"""The framework's side of access: what routes ask for, and the second lock.

`services/api/guards.py` decides, before the framework looks at a request. This dependency of the
whole application makes sure that it did so for the very route that answers.
"""

from typing import Annotated

from fastapi import Depends, WebSocketException
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection, Request
from starlette.websockets import WebSocket

from services.api.auth.doors import PASSED
from services.api.auth.errors import ForbiddenError
from services.api.auth.principal import Principal
from services.api.auth.roles import SOCKET
from services.api.auth.service import Auth

POLICY_VIOLATION = 1008

_ELSEWHERE = "This way to ask was not let in."


class Access(SecurityBase):
    """The dependency; OpenAPI shows it as bearer authentication."""

    def __init__(self) -> None:
        self.model = HTTPBearer(description="An access token, or an API token (`dumb_...`)")
        self.scheme_name = "Bearer"

    async def __call__(self, connection: HTTPConnection) -> None:
        """Refuse what was let through to another route, or past the guard."""
        scope = connection.scope
        is_socket = isinstance(connection, WebSocket)
        method = SOCKET if is_socket else scope["method"]
        if scope.get(PASSED) == (method, getattr(scope.get("route"), "path", "")):
            return
        if is_socket:
            raise WebSocketException(POLICY_VIOLATION, _ELSEWHERE)
        raise ForbiddenError(_ELSEWHERE)


async def _principal(request: Request) -> Principal:
    found: Principal = request.state.principal
    return found


async def _auth(request: Request) -> Auth:
    found: Auth = request.app.state.auth
    return found


PrincipalDep = Annotated[Principal, Depends(_principal)]
AuthDep = Annotated[Auth, Depends(_auth)]
