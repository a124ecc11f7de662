"""How large a request may be."""

from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.answers import Json

MAX_BODY_BYTES: Final = 10 << 20

_SENTENCE: Final = f"The body is larger than {MAX_BODY_BYTES >> 20} MiB."


class BodyLimit:
    """Answers 413 to a body of more than `limit` bytes, announced or not."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if not announced.isdigit() or len(announced) > 18 or int(announced) > self._limit:
            # What was announced is not read, so the connection cannot be used again.
            answer = Json({"detail": _SENTENCE}, 413, {"connection": "close"})
            await answer(scope, receive, send)
            return
        await self._app(scope, _Counted(receive, self._limit), send)


class _Counted:
    """`receive` that ends a body which grows beyond the limit."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, _SENTENCE, {"connection": "close"})
        return message
