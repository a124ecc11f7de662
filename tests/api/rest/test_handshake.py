"""Connections that have not finished their TLS handshake count, and make room."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from services.api import handshake
from services.api.app import create_app
from services.api.roster import Roster
from services.api.server import listen, make_server
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.support.bus import open_accounts
from tests.support.tls import Authority
from tests.support.wait import wait_until


@dataclass
class Tls:
    """A replica with TLS."""

    port: int
    roster: Roster
    context: ssl.SSLContext

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"https://127.0.0.1:{self.port}", verify=self.context)


@pytest_asyncio.fixture
async def tls(redis_url: str, tmp_path: Path) -> AsyncIterator[Tls]:
    authority = Authority(tmp_path, "ca")
    files = authority.issue("server")
    redis = commands_client(redis_url, "test")
    await open_accounts(redis, Keys())
    await redis.aclose(close_connection_pool=True)
    server: Any = make_server(create_app(redis_url, Keys()))
    server.config.ssl_certfile, server.config.ssl_keyfile = str(files.cert), str(files.key)
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        await wait_until(lambda: server.started, what="the server to listen")
        context = ssl.create_default_context(cafile=str(authority.own.cert))
        yield Tls(port, server.server_state.roster, context)
        server.should_exit = True
        await serving


async def test_requests_and_sockets_pass(tls: Tls) -> None:
    async with tls.client() as http:
        for _ in range(20):
            assert (await http.get("/livez")).status_code == 200
        answer = await http.post("/auth/login", content=b" " * 9_000_000)
        assert answer.status_code == 413
    async with connect(f"wss://127.0.0.1:{tls.port}/ws/status", ssl=tls.context) as socket:
        await socket.recv()
    await wait_until(lambda: len(tls.roster) == 0, what="all of them to be forgotten")


async def test_silent_ones_make_room(tls: Tls) -> None:
    tls.roster.cap = 5
    peers = [await asyncio.open_connection("127.0.0.1", tls.port) for _ in range(20)]
    await wait_until(
        lambda: sum(r.at_eof() or bool(r.exception()) for r, _ in peers) == 15, what="15 to go"
    )
    async with tls.client() as http:
        assert (await http.get("/livez")).status_code == 200
    for _, writer in peers:
        writer.close()
    await wait_until(lambda: len(tls.roster) == 0, what="all of them to be forgotten")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
async def test_a_handshake_that_does_not_end(
    tls: Tls, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(handshake, "HANDSHAKE_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", tls.port)
    writer.write(sent)
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            await reader.read()
    writer.close()
    await wait_until(lambda: len(tls.roster) == 0, what="it to be forgotten")
