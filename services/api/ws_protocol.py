"""uvicorn's WebSocket protocol with the exits that ASGI lacks.

ASGI can neither abort a connection nor close one whose peer has stopped reading: `send` waits for
a buffer that never drains (measured: for as long as the peer lives).
"""

import asyncio
from typing import Any, Final, Protocol

from starlette.websockets import WebSocket
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from services.api.refusals import Handshake, raw_refusal
from services.api.roster import Rank, Roster

EXTENSION: Final = "dumb.socket"
"""Key in the scope's `extensions`; the value is a `SocketControl`."""

GRACE_S: Final = 5.0
"""How long a peer that reads slowly may take to read its close frame."""
SHUTDOWN_GRACE_S: Final = 1.0
LINGER_S: Final = (0.1, 2.0)
"""The rest of an oversized message is read away, so that the close frame is not lost to the reset
that closing with unread data causes: until so long nothing came, and at most so long."""


class SocketControl(Protocol):
    """What a handler may do to its connection without waiting for the peer."""

    def abort(self) -> None: ...
    def close_now(self, code: int, reason: str, /) -> None: ...


class _NoControl:
    """For servers other than ours: ending the handler is all that can be done."""

    def abort(self) -> None:
        return

    def close_now(self, _code: int, _reason: str, /) -> None:
        return


def control(websocket: WebSocket) -> SocketControl:
    """The exits of this socket's connection."""
    found: SocketControl = websocket.scope.get("extensions", {}).get(EXTENSION) or _NoControl()
    return found


class ControlledWebSocket(WebSocketsSansIOProtocol):
    """See the module's description."""

    _linger_until: float | None = None

    def __init__(self, config: Any, server_state: Any, *rest: Any, **options: Any) -> None:
        super().__init__(config, server_state, *rest, **options)
        # As uvicorn makes it, but for the extensions, which are off (services/api/server.py).
        self.conn = Handshake(max_size=self.config.ws_max_size, logger=self.conn.logger)
        self._roster: Roster = server_state.roster

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._roster.enter(self)  # in the place that its HTTP request has left

    def connection_lost(self, exc: Exception | None) -> None:
        self._roster.leave(self)
        super().connection_lost(exc)

    def rank(self) -> Rank:
        """See `roster.Member`: a socket counts once it is admitted, and until it is closed."""
        if not hasattr(self, "scope") or self.close_sent:
            return Rank.SILENT
        state: dict[str, Any] = self.scope.get("state", {})
        return Rank.KEPT if state.get("principal") is not None else Rank.SILENT

    def evict(self) -> None:
        """Drop the connection for another one."""
        self.transport.abort()

    def check(self, _now: float, /) -> None:
        """Open sockets have pings of their own (`ws_ping_timeout`)."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):
            # The handler's task has not run yet, and the dict is shared with it.
            extensions = self.scope["extensions"]
            extensions[EXTENSION] = self  # type: ignore[assignment]

    def abort(self) -> None:
        """Drop the connection and whatever is buffered for it."""
        self.transport.abort()

    def close_now(self, code: int, reason: str, /) -> None:
        """Send a close frame behind what is buffered; abort when the peer does not take it."""
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._resume_reading()
        self.close_timer = self.loop.call_later(GRACE_S, self.transport.abort)

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later(SHUTDOWN_GRACE_S)

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later(SHUTDOWN_GRACE_S)

    async def send(self, message: ASGISendEvent) -> None:
        """To write on a socket that we have closed is what writing to a gone client is."""
        await self.writable.wait()
        if self.close_sent and self.handshake_initiated:
            if message["type"] == "websocket.close":
                return
            raise ClientDisconnected
        await super().send(message)

    def data_received(self, data: bytes) -> None:
        if self._linger_until is not None:
            self._linger()
            return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # uvicorn forgets this one: the peer would wait for ever (414 and 431 among others).
            answer = b"".join(self.conn.data_to_send())
            self.transport.write(answer or raw_refusal(400, "This is no WebSocket handshake."))
            self.transport.close()

    def handle_parser_exception(self) -> None:
        """As uvicorn's, but the peer gets the chance to read why (1009 for a long message)."""
        close = self.conn.close_sent
        if close is None:
            super().handle_parser_exception()
            return
        disconnect = {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
        self.queue.put_nowait(disconnect)  # type: ignore[arg-type]
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self._linger_until = self.loop.time() + LINGER_S[1]
        self._resume_reading()
        self._linger()

    def _linger(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        at = min(self.loop.time() + LINGER_S[0], self._linger_until or 0.0)
        self.close_timer = self.loop.call_at(at, self.transport.close)

    def _resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def _abort_later(self, delay: float) -> None:
        """`transport.close` waits for the buffer, and a stalled peer never empties it."""
        # No isinstance: uvloop's transports are not subclasses of asyncio's.
        if self.transport.get_write_buffer_size():
            self.loop.call_later(delay, self.transport.abort)
