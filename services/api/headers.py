"""Security headers: every HTTP answer has them, whoever made it."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.policy import DEFAULT

POLICY: Final = "content-security-policy"
FRAMES: Final = "x-frame-options"

SECURITY: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    POLICY: DEFAULT,
    FRAMES: "DENY",
}
HSTS: Final = "max-age=31536000"
"""One year, for this host name. It has no `includeSubDomains`, but covers every port."""


class SecurityHeaders:
    """Adds them to every HTTP answer; a policy that a page brings along is kept.

    Args:
        hsts: whether answers over TLS tell browsers to use nothing else for this host.
    """

    def __init__(self, app: ASGIApp, *, hsts: bool = False) -> None:
        self._app = app
        self._hsts = hsts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Behind a trusted proxy the server takes the scheme from X-Forwarded-Proto.
        hsts = self._hsts and scope["scheme"] == "https"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                _add(headers)
                if hsts:
                    headers["strict-transport-security"] = HSTS
            await send(message)

        await self._app(scope, receive, with_headers)


def _add(headers: MutableHeaders) -> None:
    # X-Frame-Options cannot name an origin, so a page's own policy decides about frames alone.
    own = POLICY in headers
    for name, value in SECURITY.items():
        if name != FRAMES or not own:
            headers.setdefault(name, value)
