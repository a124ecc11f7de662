"""Sockets: how a token is sent, and when an open one is closed."""

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from services.api.auth.tokens import peek
from tests.auth.conftest import PASSWORD, Stack
from tests.support.program import PROJECT
from tests.support.redis_server import free_port
from tests.support.wait import wait_until

PATHS = ("/ws/logs", "/ws/status")


async def _closed(socket: ClientConnection, within: float = 5) -> tuple[int, str]:
    """Code and reason with which the server closes it."""
    async with asyncio.timeout(within):
        with suppress(ConnectionClosed):
            async for _ in socket:
                continue
    return socket.close_code or 0, socket.close_reason or ""


async def _open(stack: Stack, token: str, path: str = "/ws/status") -> ClientConnection:
    socket = await stack.two.socket(f"{path}?interval=0.5&token={token}")
    if path == "/ws/status":
        assert '"type":"status"' in str(await socket.recv())
    else:
        await socket.send("ping")
        assert await socket.recv() == "pong"
    return socket


@pytest.mark.parametrize("path", PATHS)
async def test_three_ways_to_send_a_token(stack: Stack, path: str) -> None:
    token = (await stack.setup()).access
    ways: list[dict[str, Any]] = [
        {"path": f"{path}?token={token}"},
        {"path": path, "additional_headers": {"Authorization": f"bearer {token}"}},
        {"path": path, "subprotocols": ["bearer", token]},
    ]
    for way in ways:
        socket = await stack.one.socket(**way)
        await socket.send("ping")
        assert await socket.recv()
        assert socket.subprotocol == ("bearer" if "subprotocols" in way else None)
        await socket.close()
    refused = await stack.one.socket(path, subprotocols=["bearer", "x"])
    assert (await _closed(refused))[0] == 1008
    assert refused.subprotocol == "bearer"


async def test_closed_when_its_user_is_disabled_or_logs_out(stack: Stack) -> None:
    alice = await stack.setup()
    bob = await stack.add(alice.access, "bobby")
    sockets = [await _open(stack, bob.access, path) for path in PATHS]
    other = await _open(stack, alice.access)
    body = {"disabled": True}
    assert (await stack.one.put("/auth/users/bobby", body, alice.access)).status_code == 200
    for socket in sockets:
        code, reason = await _closed(socket)
        assert (code, "token" in reason) == (1008, True)
    assert '"type":"status"' in str(await other.recv())
    assert (await stack.one.post("/auth/logout", token=alice.access)).status_code == 200
    assert (await _closed(other))[0] == 1008


async def test_closed_when_the_token_expires(stack: Stack, redis_url: str) -> None:
    await stack.setup()
    short = await stack.start(redis_url, access_s=2)
    pair = await short.login()
    socket = await _open(stack, pair.access)
    code, reason = await _closed(socket)
    assert (code, "expired" in reason) == (1008, True)
    assert peek(pair.access).family


async def test_closed_when_authentication_is_switched_on(stack: Stack) -> None:
    sockets = [await stack.one.socket(path) for path in PATHS]
    await sockets[1].recv()
    await stack.setup()
    for socket in sockets:
        code, reason = await _closed(socket)
        assert (code, "token" in reason) == (1008, True)


async def test_kept_through_a_refresh_and_a_role_that_suffices(stack: Stack) -> None:
    alice = await stack.setup()
    bob = await stack.add(alice.access, "bobby")
    socket = await _open(stack, bob.access)
    body: dict[str, Any] = {"refresh_token": bob.refresh}
    assert (await stack.one.post("/auth/refresh", body)).status_code == 200
    body = {"disabled": False, "role": "viewer"}
    assert (await stack.one.put("/auth/users/bobby", body, alice.access)).status_code == 200
    for _ in range(2):
        assert '"type":"status"' in str(await socket.recv())
    await socket.close()


async def test_no_token_in_the_programs_output(
    stack: Stack, redis_url: str, tmp_path: Path
) -> None:
    """The real program, at its most talkative."""
    pair = await stack.setup()
    port = free_port()
    output = tmp_path / "api.out"
    env = os.environ | {
        "REDIS_URL": redis_url,
        "DUMB_HOME": str(tmp_path),
        "DUMB_API_SERVICE_HOST": "127.0.0.1",
        "DUMB_API_SERVICE_PORT": str(port),
        "DUMB_LOG_LEVEL": "DEBUG",
    }
    with output.open("wb") as stream:
        command = [sys.executable, "-W", "error", "-m", "services.api"]
        program = await asyncio.create_subprocess_exec(
            *command, cwd=PROJECT, env=env, stdout=stream, stderr=stream
        )
    try:
        sockets: list[ClientConnection] = []

        async def listens() -> bool:
            assert program.returncode is None, output.read_text()
            try:
                url = f"ws://127.0.0.1:{port}/ws/status?token={pair.access}"
                sockets.append(await connect(url))
            except OSError:
                return False
            return True

        await wait_until(listens, timeout=20, what="the program listens")
        assert '"type":"status"' in str(await sockets[0].recv())
        url = f"ws://127.0.0.1:{port}/ws/logs?token={pair.access}x"
        async with connect(url) as refused:
            assert (await _closed(refused))[0] == 1008
        await sockets[0].close()
    finally:
        program.terminate()
        assert await program.wait() == 0
    said = output.read_text()
    assert "Listening" in said
    signature = pair.access.rpartition(".")[2]
    assert signature not in said
    assert PASSWORD not in said
