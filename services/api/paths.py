"""One spelling of every path, before routing (docs/architecture.md, "Smaller rules").

Routes are registered once, without `/api` and without a slash at the end; clients may write both.
"""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/api"
SPELLING = "dumb.spelling"
"""Where the scope keeps how the client wrote the path."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How the client wrote a path: `prefix` is `/api` or empty, `slash` a slash at the end."""

    prefix: str = ""
    slash: bool = False


def normalize(path: str, raw_path: bytes = b"") -> tuple[str, Spelling]:
    """The path that routes know, and how it was written.

    The prefix is taken off once, one slash at the end likewise. A path with an encoded slash
    stays encoded, so that `%2F` never becomes a separator; doubled slashes match no route.
    """
    if b"%2f" in raw_path.lower():
        path = raw_path.decode("latin-1")
    prefix = ""
    if path == PREFIX or path.startswith(f"{PREFIX}/"):
        prefix, path = PREFIX, path[len(PREFIX) :] or "/"
    slash = len(path) > 1 and path.endswith("/") and not path.endswith("//")
    return path[:-1] if slash else path, Spelling(prefix, slash)


def spelling(scope: Scope) -> Spelling:
    """How the client wrote the path of this request."""
    found = scope.get(SPELLING)
    return found if isinstance(found, Spelling) else Spelling()


class PathNormalizer:
    """ASGI middleware for HTTP and WebSocket alike."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            path, written = normalize(scope["path"], scope.get("raw_path") or b"")
            scope["path"] = path
            scope[SPELLING] = written
        await self._app(scope, receive, send)
