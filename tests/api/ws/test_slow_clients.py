"""One client that stops reading must cost the others nothing."""

import asyncio
import base64
import os
import socket

import orjson
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from services.api.ws.logs import LogLimits
from tests.api.ws.conftest import StartReplica
from tests.support.bus import FakeSupervisor
from tests.support.wait import wait_until

LINES = 100_000
PER_CHUNK = 1000


def stalled_client(port: int, path: str) -> socket.socket:
    """A socket that shakes hands and never reads again."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return sock


async def test_a_stalled_client_delays_nobody_and_goes_by_itself(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url, user_timeout_ms=2000)
    healthy = await replica.client("/ws/logs")
    with stalled_client(replica.port, "/ws/logs"):
        await replica.log_clients(2)
        received: list[str] = []

        async def read() -> None:
            while len(received) < LINES:
                received.append(str(await healthy.recv()))

        reading = asyncio.create_task(read())
        for first in range(0, LINES, PER_CHUNK):
            # The publisher waits for the healthy client alone: if the stalled one held it up,
            # this would never end.
            await wait_until(lambda at=first: len(received) >= at - 20 * PER_CHUNK, timeout=30)
            await supervisor.log("Chatty", [f"{n:06}" for n in range(first, first + PER_CHUNK)])
        await asyncio.wait_for(reading, 30)
        assert [line[-6:] for line in received] == [f"{n:06}" for n in range(LINES)]
        await wait_until(
            lambda: len(replica.rooms.logs.hub.clients) == 1,
            timeout=20,
            what="the kernel drops the stalled client",
        )
    await supervisor.log("Chatty", ["after"])
    assert str(await healthy.recv()).endswith("Chatty subprocess: after")


async def test_the_send_deadline_drops_a_stalled_client_without_the_kernels_help(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(
        redis_url, user_timeout_ms=0, log_limits=LogLimits(stuck_after=0.5)
    )
    with stalled_client(replica.port, "/ws/logs"):
        await replica.log_clients(1)
        while replica.rooms.logs.hub.clients:
            await supervisor.log("Chatty", ["x" * 1000] * 500)


async def test_what_a_slow_json_client_gets_and_what_it_lost_is_all_there_was(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    limits = LogLimits(max_bytes=1 << 20, max_lines=2000)
    replica = await start_replica(redis_url, log_limits=limits)
    # The kernel's and the library's buffers are kept small, so that the queue has to give.
    slow = await replica.client("/ws/logs?format=json", max_queue=1)
    published = 0
    (client,) = replica.rooms.logs.hub.clients
    while client.queue.dropped_total < 5000:
        await supervisor.log("Chatty", ["y" * 500] * 400)
        published += 400
    await supervisor.log("Chatty", ["the last"])
    published += 1
    received = dropped = 0
    frames = 0
    while True:
        frame = orjson.loads(await slow.recv())
        received += len(frame["lines"])
        dropped += frame["dropped"]
        frames += 1
        if frame["lines"][-1]["text"] == "the last":
            break
    assert dropped >= 5000
    assert received + dropped == published
    assert frame["cursor"] == supervisor.sizes["Chatty"]


async def test_a_slow_text_client_is_told_in_a_line_of_the_display_format(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    limits = LogLimits(max_bytes=1 << 20, max_lines=2000)
    replica = await start_replica(redis_url, log_limits=limits)
    slow = await replica.client("/ws/logs", max_queue=1)
    (client,) = replica.rooms.logs.hub.clients
    published = 0
    while client.queue.dropped_total < 5000:
        await supervisor.log("Chatty", ["y" * 500] * 400)
        published += 400
    await supervisor.log("Chatty", ["the last"])
    received = dropped = 0
    while not (line := str(await slow.recv())).endswith("the last"):
        if " - WARNING - " in line:
            dropped += int(line.split(" - WARNING - ")[1].split()[0])
        else:
            received += 1
    assert dropped >= 5000
    assert received + dropped == published


async def _until_closed(client: ClientConnection) -> ConnectionClosed:
    while True:
        try:
            await client.recv()
        except ConnectionClosed as closed:
            return closed


async def test_a_status_client_that_takes_no_frame_is_closed_with_1013(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url, user_timeout_ms=0, status_stuck_after=0.5)
    details = {"probe": "x" * 500_000}
    await supervisor.running("Svc", health_details=details)
    await wait_until(lambda: "Svc" in replica.bridge.states)
    client = await replica.client("/ws/status?health=true", max_queue=1)
    room = replica.rooms.status
    while room.client_count:
        await supervisor.running(
            "Svc", health_details=details | {"n": supervisor.states["Svc"].seq}
        )
        await wait_until(
            lambda: (
                not room.client_count
                or replica.bridge.states["Svc"].seq == supervisor.states["Svc"].seq
            )
        )
    closed = await asyncio.wait_for(_until_closed(client), 10)
    assert closed.rcvd is not None
    assert closed.rcvd.code == 1013


async def test_fifty_clients_get_every_line(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    clients = [await replica.client("/ws/logs?format=json") for _ in range(50)]
    for part in range(20):
        await supervisor.log("Chatty", [f"{part * 50 + n}" for n in range(50)])

    async def read(client: ClientConnection) -> list[str]:
        texts: list[str] = []
        while len(texts) < 1000:
            texts += [line["text"] for line in orjson.loads(await client.recv())["lines"]]
        return texts

    for texts in await asyncio.gather(*map(read, clients)):
        assert texts == [str(n) for n in range(1000)]
    redis: Redis = supervisor.redis
    assert len(await redis.client_list(_type="pubsub")) == 1
