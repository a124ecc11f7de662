"""Bodies that are too large, clients that are too slow, and what else HTTP can be used for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson
import pytest
from websockets.asyncio.client import connect

from services.api import http_protocol
from services.api.limits import ACCOUNT_BYTES, BUDGET_BYTES, COMMAND_BYTES, CONFIG_BYTES
from tests.api.rest.conftest import Api
from tests.support.rawhttp import get, status_of
from tests.support.wait import wait_until

JSON = b"Content-Type: application/json"


def post(path: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """The head of a POST on a connection that may stay open."""
    lines = [b"POST " + path + b" HTTP/" + version, b"Host: 127.0.0.1", JSON, *headers]
    return b"\r\n".join([*lines, b"", b""])


class Peer:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def flood(self, size: int) -> None:
        for _ in range(0, size, 10_000):
            await self.send(b"x" * 10_000)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        async with asyncio.timeout(10):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.split("\r\n")[1:-2]
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return status_of(head.encode()), headers, body

    async def ended(self) -> bool:
        """Whether nothing else comes but the end."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read() == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def peer(api: Api) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.close()


def roster(api: Api) -> Any:
    return api.app.state.server.server_state.roster


@pytest.mark.parametrize(
    ("path", "limit", "shown"),
    [
        (b"/auth/login", ACCOUNT_BYTES, b"16 KiB"),
        (b"/auth/users", ACCOUNT_BYTES, b"16 KiB"),
        (b"/process/start-service", COMMAND_BYTES, b"64 KiB"),
        (b"/process/actions", COMMAND_BYTES, b"64 KiB"),
        (b"/config", CONFIG_BYTES, b"10 MiB"),
        (b"/config/service-config", CONFIG_BYTES, b"10 MiB"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_each_route_has_its_limit(
    api: Api, path: bytes, limit: int, shown: bytes, chunked: bool
) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for at in range(0, size, 4096):
            yield b" " * min(4096, size - at)

    for size, refused in ((limit, False), (limit + 1, True)):
        content = pieces(size) if chunked else b" " * size
        answer = await api.http.post(path.decode(), content=content, headers={"X": "y"})
        assert (answer.status_code == 413) is refused
        assert (shown in answer.content) is refused
    assert api.app.state.budget.left == BUDGET_BYTES


async def test_a_refused_body_is_thrown_away_and_the_answer_arrives(api: Api) -> None:
    async with peer(api) as client:
        await client.send(post(b"/auth/login", b"Content-Length: 9000000"))
        for _ in range(9):  # all of it is taken, by a server that has answered already
            await client.send(b"x" * 1_000_000)
        status, headers, body = await client.answer()
        assert status == 413
        assert headers["connection"] == "close"
        assert orjson.loads(body) == {"detail": "The body is larger than 16 KiB."}
        assert await client.ended()


async def test_an_announced_body_that_never_comes_keeps_no_stranger_connected(api: Api) -> None:
    async with peer(api) as client:
        await client.send(post(b"/auth/login", b"Content-Length: 9000000"))
        assert (await client.answer())[0] == 413
        assert await client.ended()


async def test_more_than_is_thrown_away_ends_the_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "LINGER_BYTES", 100_000)
    monkeypatch.setattr(http_protocol, "LINGER_S", 60.0)
    async with peer(api) as client:
        await client.send(post(b"/auth/login", b"Content-Length: 9000000"))
        with pytest.raises(ConnectionError):
            await client.flood(9_000_000)


async def test_expect_100_is_answered_by_the_refusal_alone(api: Api) -> None:
    async with peer(api) as client:
        expect = b"Expect: 100-continue"
        await client.send(post(b"/auth/login", b"Content-Length: 9000000", expect))
        assert (await client.answer())[0] == 413
    async with peer(api) as client:
        await client.send(post(b"/process/stop-service", b"Content-Length: 22", expect))
        assert (await client.answer())[0] == 100
        await client.send(b'{"process_name": "no"}')
        assert (await client.answer())[0] == 404


async def test_large_bodies_share_a_budget(api: Api) -> None:
    budget = api.app.state.budget
    peers = []
    for _ in range(BUDGET_BYTES // CONFIG_BYTES):
        reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(post(b"/config", b"Content-Length: %d" % CONFIG_BYTES))
        peers.append((reader, writer))
    await wait_until(lambda: budget.left < CONFIG_BYTES, what="bodies to be awaited")
    refused = await api.http.post("/config", content=b" " * CONFIG_BYTES)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    small = await api.http.post("/process/stop-service", json={"process_name": "no"})
    assert small.status_code == 404
    for _, writer in peers:  # in the middle of it
        writer.transport.abort()
    await wait_until(lambda: budget.left == BUDGET_BYTES, what="the budget to come back")
    assert (await api.http.post("/config", content=b" " * CONFIG_BYTES)).status_code == 422
    assert budget.left == BUDGET_BYTES


@pytest.mark.parametrize(
    "sent",
    [b"", b"\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET /" + b"a" * 100],
    ids=["silent", "blank", "half", "line"],
)
async def test_headers_have_to_come(api: Api, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.2)
    async with peer(api) as client:
        await client.send(sent)
        async with asyncio.timeout(10):
            answer = await client.reader.read()
        assert status_of(answer) == (408 if sent else 0)


async def test_drops_of_a_header_do_not_prolong_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not on a connection that was used before, nor with blank lines between requests."""
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.5)
    for before in (b"", get(b"/livez").replace(b"Connection: close\r\n", b"")):
        async with peer(api) as client:
            if before:
                await client.send(before)
                assert (await client.answer())[0] == 200
            await client.send(b"GET /livez HTTP/1.1\r\nX: ")

            async def drip(client: Peer = client) -> None:
                while True:
                    await client.send(b"a")
                    await asyncio.sleep(0.02)

            dripping = asyncio.create_task(drip())
            try:
                assert (await client.answer())[0] == 408
            finally:
                dripping.cancel()
                await asyncio.gather(dripping, return_exceptions=True)


async def test_blank_lines_do_not_keep_an_idle_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "IDLE_S", 0.5)
    async with peer(api) as client:
        await client.send(get(b"/livez").replace(b"Connection: close\r\n", b""))
        assert (await client.answer())[0] == 200

        async def drip() -> None:
            while True:
                await client.send(b"\r\n")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        try:
            assert await client.ended()
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
async def test_a_body_has_a_minimum_pace(
    api: Api, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(http_protocol, "BODY_GRACE_S", 0.3)
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 1000"
    async with peer(api) as client:
        await client.send(post(b"/auth/login", length))

        async def drip() -> None:
            while True:
                await client.send(b"1;ext=a\r\nx\r\n" if chunked else b"x")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        try:
            assert (await client.answer())[0] == 408
        finally:
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nX: " + b"a" * 2_000_000, 431),
        (b"GET /" + b"a" * 2_000_000, 431),
        (b"GET /livez HTTP/1.1\r\n" + b"X: a\r\n" * 300_000, 431),
        (b"GET /livez HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (post(b"/auth/login", b"Transfer-Encoding: chunked") + b"1;" + b"a" * 900_000, 400),
        (post(b"/auth/login", b"Transfer-Encoding: chunked") + b"0\r\nX: " + b"a" * 900_000, 400),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100, 400),
        (post(b"/auth/login", b"Transfer-Encoding: chunked") + b"ffffffffffffffffff\r\n", 400),
        (post(b"/auth/login", b"Content-Length: 5", b"Transfer-Encoding: chunked"), 400),
        (post(b"/auth/login", b"Content-Length: 5", b"Content-Length: 6"), 400),
        (b"GARBAGE" * 100_000, 400),
    ],
    ids=["header", "line", "headers", "whole", "extension", "trailer", "pipeline", "chunk",
         "both", "twice", "garbage"],
)  # fmt: skip
async def test_what_is_too_much_around_a_request(
    api: Api, request_bytes: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with peer(api) as client:
        await client.send(request_bytes)
        found, _, body = await client.answer()
        assert found == status, body
        assert orjson.loads(body)["detail"]
        assert await client.ended()
    assert (await api.http.get("/livez")).status_code == 200
    assert [r for r in caplog.records if r.exc_info] == []


async def test_a_trailer_is_no_header(api: Api) -> None:
    """A proxy that replaces X-Forwarded-For in the headers passes trailers on."""
    seen: list[Any] = []
    inner = api.app.state.admission.admit

    async def admit(connection: Any, *args: Any, **options: Any) -> Any:
        seen.append(connection.scope)
        return await inner(connection, *args, **options)

    api.app.state.admission.admit = admit
    trailer = b"0\r\nX-Forwarded-For: 192.0.2.1\r\nAuthorization: Bearer x\r\n\r\n"
    async with peer(api) as client:
        await client.send(post(b"/auth/login", b"Transfer-Encoding: chunked") + trailer)
        assert (await client.answer())[0] == 422
    names = {name for name, _ in seen[0]["headers"]}
    assert names == {b"host", b"content-type", b"transfer-encoding"}
    assert seen[0]["client"][0] == "127.0.0.1"


async def test_pipelined_requests_are_answered_in_order(api: Api) -> None:
    plain = b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    paths = [b"/livez", b"/nowhere", b"/livez", b"/nowhere2"]
    async with peer(api) as client:
        await client.send(b"".join(b"GET " + path + plain for path in paths))
        assert [(await client.answer())[0] for _ in paths] == [200, 404, 200, 404]


async def test_a_websocket_behind_an_open_request_is_refused(api: Api) -> None:
    upgrade = (
        b"GET /ws/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with peer(api) as client:
        await client.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + upgrade)
        assert (await client.answer())[0] == 400
        assert await client.ended()


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_an_upgrade_with_a_body(api: Api, upgrade: bytes) -> None:
    fields = (b"Connection: Upgrade", b"Upgrade: " + upgrade, b"Content-Length: 9000000")
    async with peer(api) as client:
        await client.send(post(b"/auth/login", *fields))
        assert 400 <= (await client.answer())[0] < 500
        assert await client.ended()


async def test_http_1_0(api: Api) -> None:
    async with peer(api) as client:
        await client.send(b"GET /livez HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await client.answer())[0] == 200
        assert await client.ended()
    async with peer(api) as client:
        await client.send(post(b"/auth/login", b"Content-Length: 9000000", version=b"1.0"))
        assert (await client.answer())[0] == 413
        assert await client.ended()


async def test_an_answer_leaves_in_one_piece(api: Api) -> None:
    """A proxy would give a client the head of an answer whose replica dies before the rest."""
    async with peer(api) as client:
        await wait_until(lambda: len(roster(api)) == 1, what="the connection")
        protocol = next(iter(roster(api)._members))
        written: list[bytes] = []
        inner = protocol.transport

        class Recording:
            def write(self, data: bytes) -> None:
                written.append(bytes(data))
                inner.write(data)

            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

        protocol.transport = Recording()
        await client.send(get(b"/nowhere").replace(b"Connection: close\r\n", b""))
        assert (await client.answer())[0] == 404
        assert len(written) == 1


async def test_head_has_no_body_and_its_connection_goes_on(api: Api) -> None:
    async with peer(api) as client:
        for _ in range(2):
            await client.send(b"HEAD /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with asyncio.timeout(10):
                head = await client.reader.readuntil(b"\r\n\r\n")
            assert status_of(head) == 200


async def test_silent_connections_make_room(api: Api) -> None:
    """Sockets of admitted clients stay, whatever connects; the oldest silent one goes first."""
    members = roster(api)
    async with connect(f"ws://127.0.0.1:{api.port}/ws/status") as socket:
        await socket.recv()
        await api.http.get("/process/processes")
        members.cap = len(members) + 3
        peers = [await asyncio.open_connection("127.0.0.1", api.port) for _ in range(10)]
        await wait_until(lambda: len(members) == members.cap, what="the cap to be reached")
        await wait_until(
            lambda: sum(reader.at_eof() or bool(reader.exception()) for reader, _ in peers) == 7,
            what="seven to go",
        )
        ended = [reader.at_eof() or bool(reader.exception()) for reader, _ in peers]
        assert ended == [True] * 7 + [False] * 3
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api.port}") as other:
            assert (await other.get("/process/processes")).status_code == 200
        assert len(members) <= members.cap
        pong = await socket.ping()
        async with asyncio.timeout(10):
            await pong
        for _, writer in peers:
            writer.close()


async def test_a_replica_full_of_admitted_sockets_says_so(api: Api) -> None:
    members = roster(api)
    async with connect(f"ws://127.0.0.1:{api.port}/ws/status") as socket:
        await socket.recv()
        members.cap = 1
        async with peer(api) as client:
            status, headers, _ = await client.answer()
            assert status == 503
            assert headers["retry-after"]
            assert await client.ended()
        pong = await socket.ping()
        async with asyncio.timeout(10):
            await pong


async def test_connections_are_forgotten(api: Api) -> None:
    members = roster(api)
    before = len(members)
    for _ in range(5):
        async with peer(api) as client:
            await client.send(get(b"/livez"))
            await client.answer()
        async with connect(f"ws://127.0.0.1:{api.port}/ws/status") as socket:
            await socket.recv()
    await wait_until(lambda: len(members) <= before, what="all of them to be forgotten")
