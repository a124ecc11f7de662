"""The start of a TLS connection, counted like every other connection.

A server of asyncio tells its protocol of a connection when TLS stands. Until then nothing of ours
would know of it, and silent clients could take every descriptor.

`loop.start_tls` is no way: with uvloop 0.23, 12 of 100 connections lost their ClientHello to the
protocol that was there before (`pause_reading` in `connection_made` has no effect).
"""

import asyncio
import ssl
from typing import Any, Final

from uvloop.loop import SSLProtocol  # type: ignore[attr-defined]

from services.api.http_protocol import Http, State
from services.api.roster import Rank

HANDSHAKE_S: Final = 10.0
SHUTDOWN_S: Final = 5.0
"""For a client's part in the end of TLS."""


class Secured(SSLProtocol):  # type: ignore[misc]
    """uvloop's TLS, whose connections are in the roster until their handshake is done."""

    def __init__(self, context: ssl.SSLContext, **options: Any) -> None:
        """`options` are those of `Http`."""
        loop = asyncio.get_running_loop()
        state: State = options["server_state"]
        done = loop.create_future()
        done.add_done_callback(_retrieve)
        self._roster = state.roster
        self._plain: asyncio.Transport | None = None
        http = Http(**options)
        http.opening = self
        super().__init__(
            loop,
            http,
            context,
            done,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_S,
            ssl_shutdown_timeout=SHUTDOWN_S,
        )

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The client has connected."""
        self._plain = transport
        if self._roster.enter(self):
            super().connection_made(transport)
        else:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone, whether TLS had begun or not."""
        self._roster.leave(self)
        super().connection_lost(error)

    def rank(self) -> Rank:
        """See `roster.Member`."""
        return Rank.SILENT

    def evict(self) -> None:
        """Drop the connection for another one."""
        if self._plain is not None:
            self._plain.abort()

    def check(self, _now: float, /) -> None:
        """The handshake has a timeout of its own."""


def _retrieve(done: asyncio.Future[None]) -> None:
    """A client that fails its handshake is nothing to log."""
    if not done.cancelled():
        done.exception()
