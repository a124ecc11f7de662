"""What every socket does: receive and write side by side, and notice a client that is stuck."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from services.api.ws_protocol import control

TRY_AGAIN_LATER: Final = 1013
STUCK_S: Final = 10.0
"""A client that does not take a frame for so long is closed with 1013, where all count."""


class Sender:
    """Sends frames and remembers whether that gets on. One task sends on a socket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._send = websocket.send
        self.count = 0
        """Frames that were sent."""
        self.busy = False

    async def text(self, frame: str) -> None:
        """Send one text frame; waits while the peer's buffer is full."""
        self.busy = True
        await self._send({"type": "websocket.send", "text": frame})
        self.busy = False
        self.count += 1


async def watch(sender: Sender, deadline: float, on_stuck: Callable[[], None]) -> None:
    """Return, after calling `on_stuck`, when one frame has been waiting for `deadline` seconds."""
    clock = asyncio.get_running_loop().time
    count, since = sender.count, clock()
    while True:
        await asyncio.sleep(min(1.0, deadline / 4))
        if not sender.busy or sender.count != count:
            count, since = sender.count, clock()
        elif clock() - since >= deadline:
            on_stuck()
            return


async def until_stuck(
    websocket: WebSocket, sender: Sender, deadline: float, *parts: Coroutine[Any, Any, None]
) -> None:
    """Run the parts side by side; a client that takes no frame for `deadline` seconds is closed."""
    exits = control(websocket)

    def close() -> None:
        exits.close_now(TRY_AGAIN_LATER, "This client reads too slowly.")

    await first_to_end(*parts, watch(sender, deadline, close))


async def first_to_end(*parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts side by side; when one ends, so do the others. A disconnect is no error."""
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        error = task.exception()
        if error is not None and not isinstance(error, WebSocketDisconnect):
            raise error
