"""`HEAD` is `GET` without the body (RFC 9110 9.3.2): load balancers and `wget --spider` ask so."""

from starlette.types import ASGIApp, Receive, Scope, Send


class HeadIsGet:
    """Routes know `GET` alone. The server saw the real method and sends no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
