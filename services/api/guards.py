"""The gate of the API: one ASGI middleware for every route and every socket.

Who may ask is decided here, by `auth/policy.py`, before anything of a request's body is read.
"""

import logging
from typing import Final

from redis.exceptions import RedisError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.auth.admission import Admission, accepted_protocol, arrival_port
from services.api.auth.doors import PASSED, Doors, Found
from services.api.auth.errors import (
    AuthUnknownError,
    ForbiddenError,
    NotAuthenticatedError,
    SetupCodeError,
    StrangerError,
    TooManyAttemptsError,
    auth_answer,
    close_reason,
)
from services.api.auth.roles import NOWHERE, PREFLIGHT, SOCKET, Door
from services.api.auth.service import Auth
from services.api.configuration import ConfigReader
from services.api.cors import Cors
from services.api.errors import bus_answer

_log = logging.getLogger(__name__)

POLICY_VIOLATION: Final = 1008
TRY_AGAIN_LATER: Final = 1013
REFUSED: Final = (NotAuthenticatedError, ForbiddenError, TooManyAttemptsError)
NOT_KNOWN: Final = (AuthUnknownError, RedisError, OSError)


class Guard:
    """Lets requests through to the route that they were admitted to, with their principal in
    `state.principal`, or answers them; adds the CORS headers."""

    def __init__(
        self, app: ASGIApp, auth: Auth, config: ConfigReader, admission: Admission, doors: Doors
    ) -> None:
        self._app = app
        self._auth = auth
        self._config = config
        self._admission = admission
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._guard_request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._guard_socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _guard_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        from_page = "origin" in request.headers
        asked = "access-control-request-method" in request.headers
        preflight = from_page and asked and scope["method"] == "OPTIONS"
        found = None if preflight else self._doors.find(scope["method"], scope["path"])
        app: ASGIApp = self._app
        try:
            await self._let_in(request, found, PREFLIGHT if preflight else NOWHERE)
        except (*REFUSED, *NOT_KNOWN) as error:
            app = _answer(request, error)
            if preflight:
                from_page = False  # what was refused is not answered by CORS
        if from_page:
            app = Cors(app, await self._config.origins(), arrival_port(scope))
        await app(scope, receive, send)

    async def _guard_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._doors.find(SOCKET, scope["path"])
        if found is None:
            await self._app(scope, receive, send)  # fails the handshake (contract websocket.md 1)
            return
        # Before looking, or a change in between is missed: see auth/live.py.
        scope.setdefault("state", {})["changed"] = self._auth.news.next
        try:
            await self._let_in(HTTPConnection(scope), found, found.door)
        except REFUSED as error:
            _note(scope, error)
            later = isinstance(error, TooManyAttemptsError)
            code = TRY_AGAIN_LATER if later else POLICY_VIOLATION
            await _close(scope, receive, send, code, close_reason(error))
        except NOT_KNOWN:
            sentence = "Accounts are not available now."
            await _close(scope, receive, send, TRY_AGAIN_LATER, sentence)
        else:
            await self._app(scope, receive, send)

    async def _let_in(self, connection: HTTPConnection, found: Found | None, other: Door) -> None:
        """Raises as `Admission.admit` does. `other`: what counts where no route was found."""
        door = found.door if found is not None else other
        principal = await self._admission.admit(connection, door)
        scope = connection.scope
        scope.setdefault("state", {})["principal"] = principal
        if found is not None:
            scope[PASSED] = found.key


def _answer(request: Request, error: Exception) -> Response:
    _note(request.scope, error)
    if isinstance(error, (*REFUSED, AuthUnknownError)):
        return auth_answer(error)
    return bus_answer(request, error)


def _note(scope: Scope, error: Exception) -> None:
    """For the operator, to whom a page that does not work shows no reason."""
    if isinstance(error, StrangerError | SetupCodeError):
        _log.warning("refused %s %.200r: %s", scope["type"], scope["path"], error)


async def _close(scope: Scope, receive: Receive, send: Send, code: int, reason: str) -> None:
    """Accept and close: a browser is told nothing of a refused handshake (contract websocket.md
    1)."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": accepted_protocol(scope)})
    await send({"type": "websocket.close", "code": code, "reason": reason})
