"""uvicorn's HTTP protocol with limits for slow and large clients, and with answers that arrive.

To close a connection on which the client still sends resets it, and the client loses the answer.
So after such an answer the rest is read and thrown away for a moment (RFC 9112, section 9.6).
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final, NoReturn, cast

from starlette.types import Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from services.api.refusals import raw_refusal
from services.api.roster import Member, Rank, Roster

HEAD_S: Final = 10.0
"""From the connection, or a request's first byte, to the end of its headers."""
HEAD_BYTES: Final = 64 << 10
"""For a request's line and headers; also for what is between two pieces of a chunked body."""
IDLE_S: Final = 6.0
"""Between two requests, whatever is sent that begins none. uvicorn ends 5 s of silence."""
BODY_GRACE_S: Final = 10.0
BODY_PACE: Final = 8 << 10
"""Bytes per second that a body must have on average, after the grace."""
LINGER_S: Final = 1.0
LINGER_BYTES: Final = 16 << 20
"""What is thrown away after an answer, at most."""
PIPELINED: Final = 16
"""Requests that may wait on one connection."""

_LARGE_HEAD: Final = f"The headers are larger than {HEAD_BYTES >> 10} KiB."


class State(ServerState):
    """What the connections of one server share."""

    def __init__(self, cap: int) -> None:
        super().__init__()
        self.roster = Roster(cap)


class Wait(Enum):
    """What the client has to send next."""

    HEAD = auto()
    BODY = auto()
    NEXT = auto()
    """Another request, or nothing: the connection is idle."""
    NOTHING = auto()
    """The answer is being made, or the connection is about to end."""


class Http(HttpToolsProtocol):
    """See the module's description."""

    server_state: State

    opening: Member | None = None
    """What stood for this connection during its TLS handshake."""

    _wait = Wait.HEAD
    _since = 0.0
    _body_bytes = 0
    _loose = 0
    """Bytes since the last ones that were part of a body, or ended a head."""
    _known = False
    _problem: tuple[int, str] | None = None
    _active: RequestResponseCycle | None = None
    """What is being answered, or was last; `cycle` is the newest one."""
    _linger_left: int | None = None
    _linger_end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._since = self.loop.time()
        if self.opening is not None:
            self.server_state.roster.leave(self.opening)
        if not self.server_state.roster.enter(self):
            sentence = "Too many connections. Try again in a moment."
            self.transport.write(raw_refusal(503, sentence, {"retry-after": "1"}))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server_state.roster.leave(self)
        if self._linger_end is not None:
            self._linger_end.cancel()
        self._disconnect_requests()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._linger_left is not None:
            self._linger_left -= len(data)
            if self._linger_left < 0:
                self.transport.abort()
            return
        if self.transport.is_closing():
            return
        self._loose += len(data)
        super().data_received(data)
        if self._loose > HEAD_BYTES and self._linger_left is None:
            if self._wait is Wait.BODY:
                self._refuse(400, "The chunks of the body have too much around them.")
            else:
                self._refuse(431, _LARGE_HEAD)

    def handle_websocket_upgrade(self) -> None:
        if self._is_answering():
            self._refuse(400, "A WebSocket cannot begin before the last answer has ended.")
            return
        self._unset_keepalive_if_required()
        self.server_state.roster.leave(self)
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """As uvicorn's, in the form of every other error."""
        self._refuse(*(self._problem or (400, msg)))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._wait is not Wait.HEAD:
            self._await(Wait.HEAD)

    def on_headers_complete(self) -> None:
        if self._loose > HEAD_BYTES:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > HEAD_BYTES:
                self._stop_parsing(431, _LARGE_HEAD)
        if len(self.pipeline) >= PIPELINED:
            self._stop_parsing(400, f"More than {PIPELINED} requests wait on this connection.")
        self._loose = 0
        self._body_bytes = 0
        self._await(Wait.BODY)
        super().on_headers_complete()
        # What follows a chunked body must not pass for headers, least of all for a proxy's.
        self.headers = list(self.headers)

    def on_body(self, body: bytes) -> None:
        if self._wait is not Wait.BODY:
            return
        self._loose = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._wait is not Wait.BODY:
            return
        super().on_message_complete()
        self._await(Wait.NOTHING)
        if self.cycle is not None and self.cycle.response_complete:
            self._await(Wait.NEXT)

    def on_response_complete(self) -> None:
        self._known = self._known or self._is_admitted()
        super().on_response_complete()
        if self._wait is Wait.NOTHING and not self._is_answering():
            self._await(Wait.NEXT)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active = cycle
        cycle.transport = cast(asyncio.Transport, Outlet(self, cycle))

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if not cycle.more_body:
                await cast(Any, app)(scope, receive, send)
                return

            async def noticing(message: Message) -> None:
                if cycle.more_body and message["type"] == "http.response.start":
                    cycle.keep_alive = False  # the rest will not be read
                await send(message)

            await cast(Any, app)(scope, receive, noticing)

        super()._start_asgi_task(cycle, cast(ASGI3Application, serve))

    def finish(self) -> None:
        """End the connection behind an answer that was written."""
        unread = self._wait in {Wait.HEAD, Wait.BODY} or self.pipeline
        if not unread:
            self.transport.close()
        elif self._linger_left is None and not self.transport.is_closing():
            self._linger()

    def rank(self) -> Rank:
        """See `roster.Member`."""
        if not self._is_answering():
            return Rank.IDLE if self._known else Rank.SILENT
        if self._is_admitted():
            return Rank.KEPT
        return Rank.SILENT if self._wait is not Wait.NOTHING else Rank.ANSWERED

    def evict(self) -> None:
        """Drop the connection for another one."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """See `roster.Member`."""
        if self._linger_left is not None or self.transport.is_closing():
            return
        waited = now - self._since
        if self._wait is Wait.HEAD and waited > HEAD_S:
            if self._loose:
                self._refuse(408, f"The headers did not come within {HEAD_S:.0f} s.")
            else:
                self.transport.abort()
        elif self._wait is Wait.NEXT and waited > IDLE_S:
            self.transport.close()
        elif self._wait is Wait.BODY:
            if self.flow.read_paused:
                self._since = now  # not the client's fault
                self._body_bytes = 0
            elif (waited - BODY_GRACE_S) * BODY_PACE > self._body_bytes:
                self._refuse(408, f"The body came slower than {BODY_PACE >> 10} KiB/s.")

    def _await(self, wait: Wait) -> None:
        self._wait = wait
        self._since = self.loop.time()

    def _stop_parsing(self, status: int, sentence: str) -> NoReturn:
        """From a callback of the parser: what it raises there ends in `send_400_response`."""
        self._problem = (status, sentence)
        raise ValueError(sentence)

    def _is_admitted(self) -> bool:
        """Whether the request that is being answered, or was last, was let in with a principal
        (services/api/guards.py)."""
        if self._active is None:
            return False
        return self._active.scope.get("state", {}).get("principal") is not None

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer for the server itself, unless an answer has begun, and end."""
        if self.transport.is_closing() or self._linger_left is not None:
            return
        active = self._active
        if active is None or active.response_complete or not active.response_started:
            self.transport.write(raw_refusal(status, sentence))
        self._linger()

    def _linger(self) -> None:
        self._linger_left = LINGER_BYTES
        self._unset_keepalive_if_required()
        self._disconnect_requests()
        self.flow.resume_reading()
        self._linger_end = self.loop.call_later(LINGER_S, self.transport.abort)

    def _disconnect_requests(self) -> None:
        """uvicorn tells the newest request alone that the client has gone."""
        for cycle in (self._active, self.cycle, *(cycle for cycle, _ in self.pipeline)):
            if cycle is not None:
                cycle.disconnected = not cycle.response_complete
                cycle.message_event.set()
                cycle.body = bytearray()
        self.pipeline.clear()


class Outlet:
    """What a request writes to: the head of an answer leaves together with what follows it."""

    __slots__ = ("_cycle", "_held", "_protocol")

    def __init__(self, protocol: Http, cycle: RequestResponseCycle) -> None:
        self._protocol = protocol
        self._cycle = cycle
        self._held: bytes | None = None

    def write(self, data: bytes) -> None:
        """Hold the head back, and write everything else behind it."""
        if self._held is not None:
            held, self._held = self._held, b""
            self._protocol.transport.write(held + data if held else data)
        elif self._cycle.response_started:
            self._held = data
            if self._cycle.scope["method"] == "HEAD":  # nothing follows
                self.write(b"")
        else:
            self._protocol.transport.write(data)  # 100 Continue

    def close(self) -> None:
        """End the connection; a head that nothing followed is not sent."""
        if self._cycle.response_complete:
            self._protocol.finish()
        else:
            self._protocol.transport.close()

    def is_closing(self) -> bool:
        """As the transport's."""
        return self._protocol.transport.is_closing()
