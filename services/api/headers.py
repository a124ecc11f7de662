"""Security headers: what a browser may do with our answers."""

from collections.abc import MutableMapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CDN: Final = "https://cdn.jsdelivr.net"

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        # Swagger UI starts from a line in its page; both viewers come from the CDN.
        f"script-src 'self' 'unsafe-inline' {_CDN}",
        f"style-src 'self' 'unsafe-inline' {_CDN} https://fonts.scalar.com",
        f"font-src 'self' data: {_CDN} https://fonts.scalar.com",
        "img-src 'self' data: https:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

ALWAYS: Final = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
HTML: Final = {"content-security-policy": POLICY, "x-frame-options": "DENY"}


class SecurityHeaders:
    """Adds them to every HTTP answer, those of pages to HTML alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(message)
            await send(message)

        await self._app(scope, receive, with_headers)


def _add(message: MutableMapping[str, Any]) -> None:
    headers = MutableHeaders(scope=message)
    page = headers.get("content-type", "").startswith("text/html")
    for name, value in (ALWAYS | HTML if page else ALWAYS).items():
        headers.setdefault(name, value)
