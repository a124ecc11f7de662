"""The bridge must come back by itself, and must not believe that nothing happened meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from services.api.bridge import Bridge
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.models.command import CommandStatus
from shared.models.service import ServiceState
from shared.states import ServiceStatus
from tests.support.bus import FakeSupervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until

KEYS = Keys()


@asynccontextmanager
async def running_bridge(url: str) -> AsyncIterator[tuple[Bridge, FakeSupervisor]]:
    redis = commands_client(url, "test")
    bridge = Bridge(url, KEYS, redis)
    task = asyncio.create_task(bridge.run())
    try:
        assert await bridge.wait_connected(10)
        yield bridge, FakeSupervisor(redis, KEYS)
    finally:
        assert not task.done(), "the bridge never ends by itself"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose(close_connection_pool=True)


@pytest_asyncio.fixture
async def pair(redis_url: str) -> AsyncIterator[tuple[Bridge, FakeSupervisor]]:
    async with running_bridge(redis_url) as found:
        yield found


def sees(bridge: Bridge, name: str, status: ServiceStatus) -> Callable[[], bool]:
    return lambda: name in bridge.states and bridge.states[name].status is status


async def kill_subscription(redis: Redis) -> None:
    await redis.client_kill_filter(_type="pubsub")


async def test_states_that_were_there_before_and_events_after(redis_url: str) -> None:
    redis = commands_client(redis_url, "before")
    await FakeSupervisor(redis, KEYS).running("Early")
    await redis.aclose(close_connection_pool=True)
    async with running_bridge(redis_url) as (bridge, supervisor):
        assert bridge.states["Early"].status is ServiceStatus.RUNNING
        changes: list[tuple[str, ServiceState | None]] = []
        bridge.on_state(lambda name, state: changes.append((name, state)))
        new = await supervisor.running("Late")
        await wait_until(lambda: changes)
        assert changes == [("Late", new)]
        assert bridge.counters.rereads == 0


async def test_a_gap_in_seq_reads_the_hash_again(pair: tuple[Bridge, FakeSupervisor]) -> None:
    bridge, supervisor = pair
    await supervisor.running("Svc")
    await wait_until(sees(bridge, "Svc", ServiceStatus.RUNNING))
    newest = ServiceState("Svc", ServiceStatus.FAILED, seq=9)
    await supervisor.write_hash(newest)
    await supervisor.redis.publish(KEYS.status, newest.with_(seq=5, exit_code=3).to_json())
    await wait_until(lambda: bridge.states["Svc"] == newest, what="the hash wins over the event")
    assert bridge.counters.rereads == 1


async def test_an_old_event_changes_nothing_unless_the_hash_agrees(
    pair: tuple[Bridge, FakeSupervisor],
) -> None:
    bridge, supervisor = pair
    await supervisor.running("Svc", seq=7)
    await wait_until(sees(bridge, "Svc", ServiceStatus.RUNNING))
    old = ServiceState("Svc", ServiceStatus.FAILED, seq=2)
    await supervisor.redis.publish(KEYS.status, old.to_json())
    await wait_until(lambda: bridge.counters.rereads == 1)
    assert bridge.states["Svc"].status is ServiceStatus.RUNNING
    # A journal that starts anew counts from the beginning: then the hash says so too.
    await supervisor.state("Svc", ServiceStatus.FAILED, seq=3)
    await wait_until(lambda: bridge.states["Svc"].seq == 3)


async def test_resync_finds_changed_and_removed_services(
    pair: tuple[Bridge, FakeSupervisor],
) -> None:
    bridge, supervisor = pair
    await supervisor.running("Stays")
    await supervisor.running("Goes")
    await wait_until(sees(bridge, "Goes", ServiceStatus.RUNNING))
    seen: list[tuple[str, ServiceState | None]] = []
    bridge.on_state(lambda name, state: seen.append((name, state)))
    await supervisor.redis.delete(KEYS.service("Goes"))
    await supervisor.redis.srem(KEYS.services, "Goes")
    changed = ServiceState("Stays", ServiceStatus.EXITED, seq=1)
    await supervisor.write_hash(changed)
    await supervisor.redis.publish(KEYS.status, b'{"resync":true}')
    await wait_until(lambda: len(seen) == 2)
    assert seen == [("Goes", None), ("Stays", changed)]
    assert bridge.states == {"Stays": changed}


async def test_receipts_reach_everybody_who_waits(pair: tuple[Bridge, FakeSupervisor]) -> None:
    bridge, supervisor = pair
    first, second = bridge.expect("c1"), bridge.expect("c1")
    other = bridge.expect("c2")
    first.cancel()
    bridge.forget("c1")
    await supervisor.finish("c1", CommandStatus.RUNNING)
    await supervisor.finish("c1", CommandStatus.FAILED)
    await supervisor.finish("c1", CommandStatus.SUCCEEDED)
    receipt = await asyncio.wait_for(second, 5)
    assert receipt.status is CommandStatus.FAILED, "the first final receipt counts"
    assert not other.done()
    bridge.forget("c1")
    bridge.forget("c2")
    bridge.forget("never")


async def test_a_killed_subscription_loses_neither_receipts_nor_states(
    pair: tuple[Bridge, FakeSupervisor],
) -> None:
    bridge, supervisor = pair
    await supervisor.running("Svc")
    await wait_until(sees(bridge, "Svc", ServiceStatus.RUNNING))
    for round_number in range(5):
        waiting = bridge.expect(f"c{round_number}")
        await kill_subscription(supervisor.redis)
        await supervisor.finish(f"c{round_number}")
        status = ServiceStatus.EXITED if round_number % 2 == 0 else ServiceStatus.RUNNING
        await supervisor.state("Svc", status)
        receipt = await asyncio.wait_for(waiting, 10)
        assert receipt.status is CommandStatus.SUCCEEDED
        await wait_until(sees(bridge, "Svc", status))
        bridge.forget(f"c{round_number}")
    assert bridge.counters.connects >= 2


async def test_news_while_nobody_is_subscribed_are_read_afterwards(
    pair: tuple[Bridge, FakeSupervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge, supervisor = pair
    # Long enough that the news below certainly fall into the gap.
    monkeypatch.setattr("shared.bus.subscription.BACKOFF_S", (0.5, 0.5))
    waiting = bridge.expect("lost")
    await kill_subscription(supervisor.redis)
    await wait_until(lambda: not bridge.connected)
    await supervisor.finish("lost")
    await supervisor.running("Svc")
    assert not waiting.done()
    assert "Svc" not in bridge.states
    assert (await asyncio.wait_for(waiting, 10)).status is CommandStatus.SUCCEEDED
    assert bridge.states["Svc"].status is ServiceStatus.RUNNING
    bridge.forget("lost")


async def test_redis_stops_and_starts(fresh_redis: PrivateRedis) -> None:
    async with running_bridge(fresh_redis.url) as (bridge, supervisor):
        await supervisor.running("Svc")
        await wait_until(sees(bridge, "Svc", ServiceStatus.RUNNING))
        waiting = bridge.expect("c1")
        await asyncio.to_thread(fresh_redis.stop)
        await wait_until(lambda: not bridge.connected)
        assert not await bridge.wait_connected(0.05)
        assert bridge.states["Svc"].status is ServiceStatus.RUNNING, "the last known state stays"
        assert not waiting.done()
        await asyncio.to_thread(fresh_redis.start)
        assert await bridge.wait_connected(10)
        await supervisor.state("Svc", ServiceStatus.STOPPING)
        await supervisor.finish("c1")
        assert (await asyncio.wait_for(waiting, 10)).status is CommandStatus.SUCCEEDED
        await wait_until(sees(bridge, "Svc", ServiceStatus.STOPPING))
        bridge.forget("c1")


async def test_redis_is_away_at_the_start(fresh_redis: PrivateRedis) -> None:
    await asyncio.to_thread(fresh_redis.stop)
    redis = commands_client(fresh_redis.url, "test")
    bridge = Bridge(fresh_redis.url, KEYS, redis)
    task = asyncio.create_task(bridge.run())
    try:
        assert not await bridge.wait_connected(0.3)
        await asyncio.to_thread(fresh_redis.start)
        assert await bridge.wait_connected(10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose(close_connection_pool=True)


GARBAGE = [
    b"",
    b"not json",
    b"\xff\xfe",
    b"[]",
    b"17",
    b"null",
    b'"text"',
    b"{}",
    b'{"process_name":7,"seq":1}',
    b'{"process_name":"Svc","seq":"x"}',
    b'{"process_name":"Svc","status":"flying"}',
    b'{"process_name":"Svc","restart":5,"seq":[]}',
    b'{"id":"c1","status":"done"}',
    b'{"id":"c1","status":"succeeded","steps":5}',
    b'{"id":"c1","status":"succeeded","what":5}',
    b'{"g":"x","start":0,"end":9}\nshort\n',
    b'{"g":"x","start":0,"end":4,"log":"L","name":"L"}\ntext',
    b'{"g":"x","start":"a","end":4,"log":"L","name":"L"}\nabc\n',
    b"x" * 1_000_000,
]


@pytest.mark.parametrize("channel", [KEYS.status, KEYS.command_results, KEYS.log_channel("L")])
async def test_garbage_is_counted_and_skipped(
    pair: tuple[Bridge, FakeSupervisor], channel: str
) -> None:
    bridge, supervisor = pair
    chunks: list[object] = []
    bridge.on_log(chunks.append)
    subscribed = asyncio.Event()
    bridge.on_log_sync(subscribed.set)
    bridge.acquire_logs()
    await asyncio.wait_for(subscribed.wait(), 5)
    waiting = bridge.expect("c1")
    for message in GARBAGE:
        await supervisor.redis.publish(channel, message)
    await supervisor.running("Good")
    await wait_until(sees(bridge, "Good", ServiceStatus.RUNNING))
    await supervisor.log("L", ["good"])
    await wait_until(lambda: chunks)
    await supervisor.finish("c1")
    assert (await asyncio.wait_for(waiting, 5)).status is CommandStatus.SUCCEEDED
    assert len(chunks) == 1
    assert bridge.counters.bad_messages == len(GARBAGE)
    assert bridge.counters.connects == 1
    bridge.forget("c1")
    bridge.release_logs()


async def test_a_listener_that_fails_does_not_end_the_subscription(
    pair: tuple[Bridge, FakeSupervisor], caplog: pytest.LogCaptureFixture
) -> None:
    bridge, supervisor = pair
    seen: list[str] = []

    def fails(name: str, _state: ServiceState | None) -> None:
        raise ZeroDivisionError(name)

    bridge.on_state(fails)
    bridge.on_state(lambda name, _state: seen.append(name))
    await supervisor.running("Svc")
    await wait_until(lambda: seen)
    assert "A listener of the bridge failed" in caplog.text


async def test_logs_are_subscribed_only_while_somebody_wants_them(
    pair: tuple[Bridge, FakeSupervisor],
) -> None:
    bridge, supervisor = pair

    async def patterns() -> int:
        return int(await supervisor.redis.pubsub_numpat())

    assert await patterns() == 0
    bridge.acquire_logs()
    bridge.acquire_logs()

    async def one() -> bool:
        return await patterns() == 1

    async def none() -> bool:
        return await patterns() == 0

    await wait_until(one)
    bridge.release_logs()
    await kill_subscription(supervisor.redis)
    await wait_until(lambda: bridge.counters.connects == 2)
    await wait_until(one, what="the pattern is there again after a reconnect")
    bridge.release_logs()
    await wait_until(none)


async def test_states_do_not_wait_for_jobs_that_cannot_be_read(redis_url: str) -> None:
    redis = commands_client(redis_url, "vandal")
    await redis.set(KEYS.jobs_open, "mine")
    async with running_bridge(redis_url) as (bridge, supervisor):
        await supervisor.running("web")
        await wait_until(sees(bridge, "web", ServiceStatus.RUNNING))
    await redis.aclose(close_connection_pool=True)
