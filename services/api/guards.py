"""Who may ask at all. One ASGI middleware, for HTTP and WebSocket.

With authentication off, any web page that the user opens could drive this API. So requests that
change something need an `Origin` that is known (or none: no web page sent them), and a server
that is bound to the loopback takes only `Host` headers that mean it.
"""

import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.answers import Json
from services.api.configuration import ConfigReader, Origins
from services.api.hosts import known_host
from services.api.origins import allowed_origin
from shared.api_address import is_loopback

_log = logging.getLogger(__name__)

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
PREFLIGHT_MAX_AGE_S: Final = 600


class Guard:
    """Checks `Host` and `Origin`, and adds the CORS headers of the configured origins."""

    def __init__(self, app: ASGIApp, config: ConfigReader, bind_host: str) -> None:
        self._app = app
        self._config = config
        self._bind_host = bind_host
        self._local_only = is_loopback(bind_host)
        self._cors: tuple[Origins, CORSMiddleware] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        asked = headers.getlist("origin")
        refusal = await self._check_host(headers)
        if refusal is None and asked and scope["type"] == "http":
            origins = await self._config.origins()
            if scope["method"] not in SAFE_METHODS:
                refusal = _check_origin(asked, headers.get("host", ""), origins)
            if refusal is None:
                await self._with_cors(origins)(scope, receive, send)
                return
        if refusal is not None:
            _log.warning("refused %s %.200r: %s", scope["type"], scope["path"], refusal)
            await _refuse(refusal, scope, receive, send)
            return
        if asked:  # a socket: services/api/ws/access.py decides, with the origins of now
            scope["app"].state.allowed_origins = (await self._config.origins()).allowed
        await self._app(scope, receive, send)

    async def _check_host(self, headers: Headers) -> str | None:
        if not self._local_only:
            return None
        unknown = [h for h in headers.getlist("host") if not known_host(h, self._bind_host, ())]
        if not unknown:
            return None
        origins = (await self._config.origins()).allowed
        for host in unknown:
            if not known_host(host, self._bind_host, origins):
                return (
                    f"This API listens on {self._bind_host} and does not know the host "
                    f"'{host[:200]}'. If it is yours, add its origin to dumb.frontend.origins."
                )
        return None

    def _with_cors(self, origins: Origins) -> CORSMiddleware:
        if self._cors is None or self._cors[0] != origins:
            cors = CORSMiddleware(
                self._app,
                allow_origins=sorted(origins.allowed),
                allow_methods=["*"],
                allow_headers=["*"],
                allow_credentials=not origins.wildcard,
                expose_headers=["ETag", "Location", "X-Command-Id", "X-Config-Version"],
                max_age=PREFLIGHT_MAX_AGE_S,
            )
            self._cors = (origins, cors)
        return self._cors[1]


def _check_origin(asked: list[str], host: str, origins: Origins) -> str | None:
    for origin in asked:
        if not allowed_origin(origin, host, origins.allowed):
            return (
                f"Pages of '{origin[:200]}' may not change anything here. "
                "If the page is yours, add its origin to dumb.frontend.origins."
            )
    return None


async def _refuse(sentence: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "unknown host"})
        return
    await Json({"detail": sentence}, 403)(scope, receive, send)
