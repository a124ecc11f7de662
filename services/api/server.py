"""uvicorn on a socket of our own."""

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from services.api.certificate import Certificate
from services.api.handshake import Secured
from services.api.http_protocol import Http, State
from services.api.roster import connection_cap
from services.api.ws_protocol import ControlledWebSocket
from shared.errors import DumbError

log = logging.getLogger(__name__)

USER_TIMEOUT_MS: Final = 10_000
"""The kernel drops a peer that takes nothing for so long; accepted sockets inherit it."""
MAX_INCOMING_BYTES: Final = 64 << 10
"""Longest message from a client; a longer one closes the socket with 1009."""
SHUTDOWN_S: Final = 3
"""For requests that are open when the sockets are closed."""
ABANDON_S: Final = 1.5
"""After so much of it, requests that wait for a command are told where to follow it."""
BACKLOG: Final = 1024
CHECK_TICKS: Final = 5
"""Slow clients are looked for every half second."""


class ListenError(DumbError):
    """The API cannot listen where it was told to."""

    code = "listen"


def listen(host: str, port: int, user_timeout_ms: int = USER_TIMEOUT_MS) -> socket.socket:
    """A listening socket.

    Raises:
        ListenError: the port is taken, or the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
        server.bind((host, port))
        server.listen(BACKLOG)
    except OSError as error:
        server.close()
        raise ListenError(_sentence(error, host, port)) from error
    server.setblocking(False)
    return server


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is taken. Stop what listens there, or set another port in "
            "dumb.api_service.port or DUMB_API_SERVICE_PORT."
        )
    return f"Cannot listen on {host} port {port}: {error.strerror or error}."


def make_server(
    app: Any,
    *,
    log_level: str = "warning",
    trusted: str = "127.0.0.1,::1",
    certificate: Certificate | None = None,
) -> uvicorn.Server:
    """A server without sockets: `await server.serve(sockets=[...])`.

    No access log: it would show query strings, and those may carry tokens. For the same reason
    uvicorn's own lines begin at WARNING (it announces every WebSocket with its query).

    Args:
        trusted: addresses and networks, by commas, whose `X-Forwarded-For` names the client.
        certificate: for TLS; None for plain HTTP.
    """
    config = uvicorn.Config(
        app,
        http=Http,
        ws=ControlledWebSocket,
        ws_max_size=MAX_INCOMING_BYTES,
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        log_level=log_level,
        server_header=False,
        forwarded_allow_ips=trusted,
        ssl_context_factory=certificate.factory if certificate else None,
        timeout_graceful_shutdown=SHUTDOWN_S,
        lifespan="on",
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """uvicorn raises a caught signal again when it is done, which would end us mid-clean-up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: State = State(connection_cap())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen. TLS is begun by our own protocol, which counts those who do not."""
        if (context := self.config.ssl) is not None:
            self.config.ssl = None
            opening: Any = partial(Secured, context)
            self.config.http_protocol_class = opening
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if counter % CHECK_TICKS == 0:
            self.server_state.roster.check(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: FastAPI,
    host: str,
    port: int,
    *,
    drain_s: float = 0.0,
    trusted: str = "127.0.0.1,::1",
    certificate: Certificate | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, and for `drain_s` after the first one, with `/readyz` red;
    then open requests are finished and every socket is closed with 1012.

    Raises:
        ListenError: see `listen`.
    """
    with listen(host, port) as sock:
        server = make_server(app, trusted=trusted, certificate=certificate)
        loop = asyncio.get_running_loop()

        def end() -> None:
            server.should_exit = True
            loop.call_later(ABANDON_S, app.state.bridge.abandon)

        def leave() -> None:
            if app.state.leaving.begun:  # told again: no more waiting
                end()
            else:
                app.state.leaving.begun = True
                loop.call_later(drain_s, end)

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, leave)
        secured = " with TLS" if certificate else ""
        log.info("Listening on %s port %d%s", host, sock.getsockname()[1], secured)
        following = asyncio.create_task(certificate.follow()) if certificate else None
        await server.serve(sockets=[sock])
        if following is not None:
            following.cancel()
        if not server.started:
            raise ListenError("The API did not start; the lines above say why.")
