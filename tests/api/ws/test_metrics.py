"""`/ws/metrics`: one stream for all, thinned for each, and a slow reader harms nobody."""

import asyncio
import time
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection

from services.api.ws.metrics import MetricsClient
from services.api.ws.query import MetricsQuery
from shared.bus.keys import Keys
from tests.api.ws.conftest import StartReplica, bus_client
from tests.support.bus import FakeSupervisor, open_accounts
from tests.support.past import past_snapshot, write_past
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until


async def _receive(client: ClientConnection) -> Any:
    return orjson.loads(await asyncio.wait_for(client.recv(), 10))


async def _sample(redis: Redis, keys: Keys, number: int, padding: str = "") -> None:
    await redis.publish(keys.metrics, orjson.dumps({"timestamp": number, "x": padding}))


async def _subscribers(redis: Redis, keys: Keys) -> list[int]:
    counts = await redis.pubsub_numsub(keys.metrics, keys.metrics_fast)
    return [count for _, count in counts]


async def _listens(redis: Redis, keys: Keys, expected: list[int]) -> None:
    async def so() -> bool:
        return await _subscribers(redis, keys) == expected

    await wait_until(so, what=f"{expected} subscribers")


async def test_the_latest_at_once_and_then_every_sample(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, keys: Keys
) -> None:
    one, two = await start_replica(redis_url), await start_replica(redis_url)
    redis = supervisor.redis
    await redis.set(keys.metrics_latest, b'{"timestamp":0}')
    clients = [await replica.client("/ws/metrics?interval=0.5") for replica in (one, two)]
    for client in clients:
        assert await _receive(client) == {"type": "snapshot", "data": {"timestamp": 0}}
    await _listens(redis, keys, [2, 2])
    await asyncio.sleep(0.5)  # their interval
    await _sample(redis, keys, 1)
    for client in clients:
        assert await _receive(client) == {"type": "snapshot", "data": {"timestamp": 1, "x": ""}}


async def test_subscriptions_say_who_listens_and_how_fast(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, keys: Keys
) -> None:
    replica = await start_replica(redis_url)
    await _listens(supervisor.redis, keys, [0, 0])
    slow = await replica.client("/ws/metrics?interval=10")
    await _listens(supervisor.redis, keys, [1, 0])
    fast = await replica.client("/ws/metrics?interval=0.5")
    await _listens(supervisor.redis, keys, [1, 1])
    await fast.close()
    await _listens(supervisor.redis, keys, [1, 0])
    await slow.close()
    await _listens(supervisor.redis, keys, [0, 0])


@pytest.mark.parametrize(
    ("interval", "taken"), [(0.5, [0, 1, 2, 3, 4, 5, 6, 7, 8]), (2.0, [0, 4, 8]), (3.9, [0, 8])]
)
def test_an_interval_thins_only_the_own_stream(interval: float, taken: list[int]) -> None:
    now = 100.0
    client = MetricsClient(MetricsQuery(interval=interval), lambda: now)
    got = []
    for number in range(9):
        client.offer(str(number))
        if client.pending is not None:
            got.append(int(client.pending))
            client.pending = None
        now += 0.5 + (0.02 if number % 2 else -0.02)  # samples come a little early or late
    assert got == taken


async def test_a_slow_client_gets_the_latest_and_harms_nobody(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, keys: Keys
) -> None:
    replica = await start_replica(redis_url, user_timeout_ms=0, status_stuck_after=0.5)
    await replica.client("/ws/metrics?interval=0.5", max_queue=1, close_timeout=0.1)
    quick = await replica.client("/ws/metrics?interval=0.5")
    room = replica.rooms.metrics
    await wait_until(lambda: room.client_count == 2)
    await _listens(supervisor.redis, keys, [1, 1])
    number = 0
    while room.client_count == 2:
        await _sample(supervisor.redis, keys, number, "x" * 2_000_000)
        assert (await _receive(quick))["data"]["timestamp"] == number
        number += 1
        for client in room._clients:
            client.last_at = float("-inf")  # as if half a second had passed
    assert room.client_count == 1, "the one that read nothing was closed"


async def test_what_clients_say_is_ignored(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, keys: Keys
) -> None:
    replica = await start_replica(redis_url)
    query = "interval=nan&history_limit=x&history_since=inf&history_bucket=-&history_points="
    client = await replica.client(f"/ws/metrics?{query}")
    await client.send("ping")
    await client.send(b"\xff")
    await _listens(supervisor.redis, keys, [1, 0])
    await _sample(supervisor.redis, keys, 1)
    assert (await _receive(client))["type"] == "snapshot"


async def test_a_bootstrap_and_then_snapshots(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, keys: Keys
) -> None:
    now = time.time()
    times = [now - 3600 + 10 * n for n in range(360)]
    await write_past(supervisor.redis, keys, times, now)
    await supervisor.redis.set(keys.metrics_latest, b'{"timestamp":7}')
    replica = await start_replica(redis_url)
    query = "bootstrap=true&history=false&history_points=100&history_bucket=5"
    clients = [await replica.client(f"/ws/metrics?{query}") for _ in range(5)]
    for client in clients:
        first = await _receive(client)
        assert first["type"] == "bootstrap"
        assert first["snapshot"] == {"timestamp": 7}
        assert first["bucket_seconds"] == 216
        assert len(first["items"]) == len(first["timestamps"]) == len(first["series"]["cpu"])
        assert 15 <= len(first["items"]) <= 19
        assert first["stats"]["cpu"]["max"] > 40
        assert first["truncated"] is False
    await _listens(supervisor.redis, keys, [1, 0])
    await _sample(supervisor.redis, keys, 8)
    for client in clients:
        assert (await _receive(client))["type"] == "snapshot"


async def test_a_bootstrap_of_nothing_has_a_bucket(
    redis_url: str, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/metrics?bootstrap=1")
    first = await _receive(client)
    assert (first["snapshot"], first["items"], first["stats"]) == (None, [], None)
    assert first["bucket_seconds"] == 36


async def test_history_in_full(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, keys: Keys
) -> None:
    now = time.time()
    await write_past(supervisor.redis, keys, [now - 50 + 10 * n for n in range(5)], now)
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/metrics?history=true&history_limit=3")
    first = await _receive(client)
    assert (first["type"], first["truncated"], len(first["items"])) == ("history", True, 3)
    assert first["items"][-1] == past_snapshot(first["items"][-1]["timestamp"])


async def test_a_client_that_comes_while_redis_is_away_gets_its_bootstrap_later(
    fresh_redis: PrivateRedis, start_replica: StartReplica
) -> None:
    async with bus_client(fresh_redis.url) as redis:
        await open_accounts(redis, Keys())
    replica = await start_replica(fresh_redis.url)
    client = await replica.client("/ws/metrics?bootstrap=1&history_points=50")
    assert (await _receive(client))["type"] == "bootstrap"
    fresh_redis.kill()
    room = replica.rooms.metrics
    reading = asyncio.create_task(
        room._until_redis_answers(lambda: room._charts.first_message(MetricsQuery(), None))
    )
    done, _ = await asyncio.wait({reading}, timeout=0.7)
    assert not done
    fresh_redis.start()
    assert orjson.loads(await asyncio.wait_for(reading, 15))["type"] == "history"
