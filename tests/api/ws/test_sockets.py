"""What every socket of the API does: who may come, what is too long, how it ends."""

import asyncio
from contextlib import suppress

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.ws.conftest import StartReplica
from tests.support.bus import FakeSupervisor
from tests.support.rawhttp import get, raw_exchange, status_of

PATHS = ["/ws/logs", "/ws/status"]


async def close_code(client: ClientConnection) -> int:
    """Read until the socket is closed. Returns the code of the server's close frame."""
    async with asyncio.timeout(10):
        with pytest.raises(ConnectionClosed) as closed:
            await _read_all(client)
    assert closed.value.rcvd is not None, "closed without a close frame"
    return closed.value.rcvd.code


async def _read_all(client: ClientConnection) -> None:
    while True:
        await client.recv()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("size", [65_537, 1 << 20, 8 << 20])
async def test_a_long_message_is_closed_with_1009(
    redis_url: str, start_replica: StartReplica, path: str, size: int
) -> None:
    replica = await start_replica(redis_url)
    whole = await replica.client(path)
    await whole.send("x" * size)
    assert await close_code(whole) == 1009
    fragments = await replica.client(path)
    with suppress(ConnectionClosed):
        await fragments.send("x" * 1000 for _ in range(size // 1000 + 1))
    assert await close_code(fragments) == 1009


@pytest.mark.parametrize("path", PATHS)
async def test_a_frame_that_meets_the_close_is_no_fault_of_ours(
    redis_url: str,
    supervisor: FakeSupervisor,
    start_replica: StartReplica,
    caplog: pytest.LogCaptureFixture,
    path: str,
) -> None:
    replica = await start_replica(redis_url)
    clients = [await replica.client(path) for _ in range(20)]
    for client in clients:
        await client.send("x" * (1 << 20))
        await supervisor.log("Svc", ["a line"])
    for client in clients:
        assert await close_code(client) == 1009
    assert [r.getMessage() for r in caplog.records if r.exc_info] == []


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("?token=" + "x" * 20_000, "X: y", 414),
        ("?process_name=n" * 1000, "X: y", 414),
        ("", "X: " + "y" * 20_000, 431),
        ("", "Sec-WebSocket-Protocol: bearer, " + "y" * 20_000, 431),
        ("?\xff", "X: y", 400),
    ],
)
async def test_a_handshake_that_is_too_long_or_odd_is_answered(
    redis_url: str, start_replica: StartReplica, query: str, header: str, status: int
) -> None:
    replica = await start_replica(redis_url)
    handshake = f"Upgrade: websocket\r\nConnection: Upgrade\r\n{header}"
    wire = get(f"/ws/logs{query}".encode("latin-1"), handshake.encode())
    assert status_of(await raw_exchange(replica.port, wire)) == status


@pytest.mark.parametrize("path", PATHS)
async def test_a_message_of_64_kib_is_fine(
    redis_url: str, start_replica: StartReplica, path: str
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client(path)
    await client.send("x" * 65_536)
    await client.send("ping")
    async with asyncio.timeout(10):
        await client.recv()


@pytest.mark.parametrize("path", PATHS)
async def test_text_that_is_not_utf8_is_closed_with_1007(
    redis_url: str, start_replica: StartReplica, path: str
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client(path)
    await client.send(b"\xff\xfe", text=True)
    assert await close_code(client) == 1007


@pytest.mark.parametrize("path", PATHS)
async def test_a_strange_origin_is_closed_with_1008(
    redis_url: str, start_replica: StartReplica, path: str
) -> None:
    replica = await start_replica(redis_url)
    for origin in ("http://evil.example", "null", "http://localhost:5173"):
        assert await close_code(await replica.client(path, origin=origin)) == 1008
    for origin in (
        "http://192.168.1.10:3005",
        "http://localhost:3005",
        f"http://127.0.0.1:{replica.port}",
    ):
        client = await replica.client(path, origin=origin)
        await client.ping()


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/ws/logs/", "/ws/nothing", "/"])
async def test_an_unknown_path_fails_the_handshake(
    redis_url: str, start_replica: StartReplica, path: str
) -> None:
    replica = await start_replica(redis_url)
    with pytest.raises(InvalidStatus) as refused:
        await replica.client(path)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("path", PATHS)
async def test_shutdown_closes_with_1012(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, path: str
) -> None:
    replica = await start_replica(redis_url)
    clients = [await replica.client(path) for _ in range(3)]
    await supervisor.log("Svc", ["a line"])
    async with asyncio.timeout(10):
        await replica.stop()
    for client in clients:
        assert await close_code(client) == 1012


async def test_query_strings_are_not_logged(
    redis_url: str, start_replica: StartReplica, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/status?token=SECRETTOKEN")
    await client.recv()
    await client.close()
    with pytest.raises(InvalidStatus):
        await replica.client("/ws/unknown?token=SECRETTOKEN")
    server_lines = [r.getMessage() for r in caplog.records if r.name.startswith("uvicorn")]
    assert "SECRETTOKEN" not in "\n".join(server_lines)
