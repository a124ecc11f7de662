"""`/ws/status`: at once, at every change, at every interval."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.datastructures import QueryParams
from websockets.asyncio.client import ClientConnection

from services.api.ws.query import parse_log_query, parse_status_query
from shared.bus.keys import Keys
from shared.states import ServiceStatus
from tests.api.ws.conftest import StartReplica, bus_client
from tests.support.bus import EPOCH, FakeSupervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until


async def frame(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        tree: dict[str, Any] = orjson.loads(await client.recv())
        return tree


async def test_running_services_in_start_order_and_the_api_last(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    await supervisor.running("DUMB API", EPOCH, config_key="dumb_api_service")
    await supervisor.running("Second", EPOCH + 2)
    await supervisor.running("First", EPOCH + 1)
    await supervisor.state("Going", ServiceStatus.STOPPING, started_at=EPOCH + 3)
    await supervisor.state("Coming", ServiceStatus.STARTING, started_at=EPOCH + 4)
    await supervisor.state(
        "Young", ServiceStatus.STARTING, started_at=EPOCH + 5, in_exit_window=True
    )
    await supervisor.state("Gone", ServiceStatus.EXITED, started_at=EPOCH)
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/status?interval=10")
    running = ["First", "Second", "Going", "Coming", "DUMB API"]
    assert await frame(client) == {"type": "status", "running": running}


async def test_health_entries_have_every_field(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    details = {"probe": "process_and_ports", "ports": [8080]}
    await supervisor.running("A", EPOCH, health_details=details)
    await supervisor.running("B", EPOCH + 1, health="unhealthy", health_reason="Port closed")
    await supervisor.running("C", EPOCH + 2, health="degraded")
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/status?interval=10&health=TRUE")
    found = await frame(client)
    assert found["type"] == "status"
    first, second, third = found["processes"]
    assert len(first.pop("restart")) == 16
    judgement = first.pop("judgement")
    assert (judgement["verdict"], judgement["reason"]) == ("ok", "A runs")
    assert second["judgement"]["verdict"] == "attention"
    assert first == {
        "process_name": "A",
        "status": "running",
        "state": "running",
        "ready": True,
        "waiting_for": None,
        "last_failure_reason": None,
        "healthy": True,
        "health_status": "healthy",
        "health_reason": None,
        "health_details": details,
    }
    assert (second["healthy"], second["health_reason"]) == (False, "Port closed")
    assert (third["healthy"], third["health_status"]) == (True, "degraded")


async def test_a_change_is_pushed_at_once_and_the_stopped_one_is_named_once(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    await supervisor.running("Svc")
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/status?interval=10&health=1")
    plain = await replica.client("/ws/status?interval=10")
    assert len((await frame(client))["processes"]) == 1
    assert (await frame(plain))["running"] == ["Svc"]
    await supervisor.state("Svc", ServiceStatus.EXITED)
    (stopped,) = (await frame(client))["processes"]
    assert (stopped["status"], stopped["healthy"]) == ("stopped", False)
    assert stopped["health_status"] == "unhealthy"
    assert len(stopped["restart"]) == 16
    assert (await frame(plain))["running"] == []
    await client.send("anything")
    assert (await frame(client))["processes"] == []
    # What a client cannot see is no news to it; the next thing it hears of is the start.
    await supervisor.state("Svc", ServiceStatus.STARTING)
    await supervisor.running("Svc")
    assert (await frame(plain))["running"] == ["Svc"]
    assert (await frame(client))["processes"][0]["status"] == "running"


async def test_any_frame_asks_for_a_message(redis_url: str, start_replica: StartReplica) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/status?interval=10")
    await frame(client)
    for message in ("ping", b"\x00", "", '{"type":"ping"}'):
        await client.send(message)
        assert await frame(client) == {"type": "status", "running": []}


async def test_the_interval_is_the_heartbeat(redis_url: str, start_replica: StartReplica) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/status?interval=0.001")
    loop = asyncio.get_running_loop()
    await frame(client)
    started = loop.time()
    for _ in range(3):
        await frame(client)
    assert loop.time() - started >= 3 * 0.5 - 0.05


async def test_status_goes_on_from_the_last_known_state_while_redis_is_away(
    fresh_redis: PrivateRedis, keys: Keys, start_replica: StartReplica
) -> None:
    replica = await start_replica(fresh_redis.url)
    async with bus_client(fresh_redis.url) as redis:
        supervisor = FakeSupervisor(redis, keys)
        await supervisor.running("Svc")
        await wait_until(lambda: "Svc" in replica.bridge.states)
        client = await replica.client("/ws/status?interval=0.5")
        await asyncio.to_thread(fresh_redis.stop)
        await wait_until(lambda: not replica.bridge.connected)
        for _ in range(3):
            assert (await frame(client))["running"] == ["Svc"]
        await asyncio.to_thread(fresh_redis.start)
        await supervisor.write_hash(supervisor.states["Svc"].with_(status=ServiceStatus.FAILED))
        async with asyncio.timeout(10):
            while (await frame(client))["running"] != []:
                pass


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("", 2),
        ("x", 2),
        ("nan", 2),
        ("0.1", 0.5),
        ("-3", 0.5),
        ("inf", 10),
        ("99", 10),
        ("3.5", 3.5),
        ("1e1", 10),
    ],
)
def test_interval(text: str, interval: float) -> None:
    assert parse_status_query(QueryParams({"interval": text})).interval == interval


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("True", True), ("YES", True), ("on", True), ("0", False), ("", False),
     ("t", False), ("y", False)],
)  # fmt: skip
def test_bool(text: str, value: bool) -> None:
    assert parse_status_query(QueryParams({"health": text})).health is value


@pytest.mark.parametrize(
    ("text", "lines"), [("", 0), ("-1", 0), ("x", 0), ("1.5", 0), ("7", 7), ("9" * 5000, 10_000)]
)
def test_backlog(text: str, lines: int) -> None:
    assert parse_log_query(QueryParams({"backlog": text})).backlog == lines
