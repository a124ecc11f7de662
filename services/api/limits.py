"""How large a request may be: limits belong to routes, and large bodies share a budget."""

from typing import Final

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.answers import Json, retry_later
from services.api.auth.doors import PASSED
from services.api.auth.principal import Principal
from shared.models.account import Role

ACCOUNT_BYTES: Final = 16 << 10
"""`/auth/*`: names, passwords and tokens, also from callers who are not known."""
COMMAND_BYTES: Final = 64 << 10
PAGE_BYTES: Final = 128 << 10
"""`POST /config` from callers who may save `dumb.ui` alone: twice what that may hold."""
CONFIG_BYTES: Final = 10 << 20

CONFIGURATION: Final = frozenset(
    {"/config", "/config/service-config", "/process/start-core-service"}
)
"""Routes whose bodies carry configuration, or files of applications."""

BUDGET_BYTES: Final = 32 << 20
"""For all bodies of more than `ACCOUNT_BYTES` that one replica holds at a time."""
RETRY_S: Final = 2


def limit_of(scope: Scope) -> int:
    """Bytes that the body of an admitted request may have."""
    _, path = scope.get(PASSED, ("", ""))
    if path.startswith("/auth/"):
        return ACCOUNT_BYTES
    if path not in CONFIGURATION:
        return COMMAND_BYTES
    principal: Principal | None = scope.get("state", {}).get("principal")
    if principal is not None and principal.role is Role.ADMIN:
        return CONFIG_BYTES
    return PAGE_BYTES if path == "/config" else COMMAND_BYTES


class Budget:
    """Bytes of large bodies that may be in memory at the same time."""

    def __init__(self, size: int = BUDGET_BYTES) -> None:
        self.left = size


class BodyLimit:
    """Answers 413 to a body beyond its route's limit, announced or not, and 503 to a large one
    while too many others are in memory."""

    def __init__(self, app: ASGIApp, budget: Budget) -> None:
        self._app = app
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, limit_of(scope), self._budget)
        announced = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        try:
            if not announced.isdigit() or len(announced) > 18:
                body.grow_to(body.limit + 1)
            else:
                body.grow_to(int(announced))
        except HTTPException as error:
            answer = Json({"detail": error.detail}, error.status_code, error.headers)
            await answer(scope, receive, send)
            return
        try:
            await self._app(scope, body, send)
        finally:
            body.release()


class _Body:
    """`receive` that ends a body which grows beyond its limit or the budget."""

    def __init__(self, receive: Receive, limit: int, budget: Budget) -> None:
        self.limit = limit
        self._receive = receive
        self._budget = budget
        self._came = 0
        self._held = 0

    def grow_to(self, size: int) -> None:
        """Take what `size` bytes need of the budget. Raises `HTTPException` 413 or 503."""
        if size > self.limit:
            raise HTTPException(413, f"The body is larger than {_shown(self.limit)}.")
        if size <= ACCOUNT_BYTES or size <= self._held:
            return
        if size - self._held > self._budget.left:
            sentence = "Other large requests are in progress. Try again in a moment."
            raise HTTPException(503, sentence, retry_later(RETRY_S))
        self._budget.left -= size - self._held
        self._held = size

    def release(self) -> None:
        """Give back to the budget what this body took."""
        self._budget.left += self._held
        self._held = 0

    async def __call__(self) -> Message:
        message: Message = await self._receive()
        if message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self.grow_to(self._came)
        return message


def _shown(size: int) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"
