"""Which methods a path has, over all of its routes: for `Allow`, and the answer to `OPTIONS`."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.auth.doors import Doors

METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")


def methods_of(doors: Doors, path: str) -> list[str]:
    """The methods of `path`, `HEAD` and `OPTIONS` included; [] for none.

    Args:
        path: as routes have it (services/api/paths.py).
    """
    found = {method for method in METHODS if doors.find(method, path) is not None}
    if "GET" in found:
        found.add("HEAD")
    return sorted(found | {"OPTIONS"}) if found else []


def allow_header(request: Request) -> str:
    """The value of `Allow` for the path of a request."""
    return ", ".join(methods_of(request.app.state.doors, request.scope["path"]))


class AnswerOptions:
    """`OPTIONS` on a path that exists: 204 with `Allow` (RFC 9110 9.3.7).

    Behind the guard, which answers the preflight requests of browsers, and behind `PathNormalizer`.
    """

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            methods = methods_of(self._doors, scope["path"])
            if methods:
                response = Response(status_code=204, headers={"allow": ", ".join(methods)})
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
