"""Open sockets are judged again: when their token expires, and when anything changes."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import RedisError
from starlette.websockets import WebSocket, WebSocketState

from services.api.auth.access import POLICY_VIOLATION
from services.api.auth.admission import Admission
from services.api.auth.doors import PASSED
from services.api.auth.errors import (
    AuthUnknownError,
    ForbiddenError,
    NotAuthenticatedError,
    close_reason,
)
from services.api.auth.principal import Principal
from services.api.auth.roles import door_of
from services.api.auth.service import Auth
from services.api.ws_protocol import control

AGAIN_S: Final = 1.0
"""Pause while it cannot be known; what a socket carries comes from the same Redis."""
AT_LEAST_EVERY_S: Final = 60.0
ENDING_S: Final = 2.0


async def while_admitted(websocket: WebSocket, work: Coroutine[Any, Any, None]) -> None:
    """Run a socket's `work` until it ends, or until its caller may no longer have it."""
    task = asyncio.ensure_future(work)
    judging = asyncio.ensure_future(_until_refused(websocket))
    try:
        await asyncio.wait({task, judging}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            reason = judging.result()
            done: set[asyncio.Future[None]] = set()
            if websocket.application_state is WebSocketState.CONNECTED:
                control(websocket).close_now(POLICY_VIOLATION, reason)
                done, _ = await asyncio.wait({task}, timeout=ENDING_S)
            if not done:  # not accepted yet, another server, or a handler that waits elsewhere
                task.cancel()
                with suppress(RuntimeError):
                    await websocket.close(POLICY_VIOLATION, reason)
    finally:
        task.cancel()
        judging.cancel()
        await asyncio.gather(task, judging, return_exceptions=True)
    if not task.cancelled():
        task.result()


async def _until_refused(websocket: WebSocket) -> str:
    """The reason for which this caller's socket has to end."""
    auth: Auth = websocket.app.state.auth
    admission: Admission = websocket.app.state.admission
    door = door_of(*websocket.scope[PASSED])
    # It was admitted a moment ago: what counts is what has changed since.
    changed: asyncio.Event = websocket.state.changed
    principal: Principal | None = websocket.state.principal
    while True:
        await _wait(changed, _pause(principal))
        changed = auth.news.next
        try:
            principal = await admission.admit(websocket, door, again=True)
        except (NotAuthenticatedError, ForbiddenError) as error:
            return close_reason(error)
        except (AuthUnknownError, RedisError, OSError):
            await _wait(changed, AGAIN_S)
            changed = asyncio.Event()
            changed.set()  # look again


def _pause(principal: Principal | None) -> float:
    """Seconds until this caller has to be looked at again anyway."""
    if principal is None or principal.expires_at is None or not principal.settings.enabled:
        return AT_LEAST_EVERY_S
    return min(AT_LEAST_EVERY_S, max(principal.expires_at - time.time(), 0.0))


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
