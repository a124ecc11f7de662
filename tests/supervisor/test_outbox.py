"""What leaves for Redis, in which order, and what a moment of refusal costs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.supervisor.outbox import Outbox
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.bus.services import read_service
from shared.models.command import CommandStatus, Receipt
from shared.models.service import ServiceState
from tests.support.claim import NO_FENCE, held_fence
from tests.support.wait import wait_until

pytestmark = pytest.mark.redis
KEYS = Keys("dumb:")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = commands_client(redis_url, "test", 4)
    yield client
    await client.aclose(close_connection_pool=True)


def receipt(status: CommandStatus, *steps: str) -> Receipt:
    return Receipt("x", status=status, steps=[(1.0, step) for step in steps])


async def ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


async def test_a_recalled_outcome_does_not_replace_the_receipt_before_it(redis: Redis) -> None:
    """A duplicate that is read while the first answer is still on its way."""
    outbox = Outbox(KEYS, list, await held_fence(redis, KEYS))
    await outbox.connect(redis)
    outbox.receipt(receipt(CommandStatus.RUNNING, "claimed"))
    outbox.receipt(receipt(CommandStatus.SUCCEEDED, "claimed", "ready"))
    outbox.recall(receipt(CommandStatus.SUCCEEDED, "read back"))
    task = asyncio.create_task(outbox.run(redis))
    await outbox.drained()
    await ended(task)
    raw = await redis.hget(KEYS.command("x"), "steps")
    assert raw == b'[[1.0,"claimed"],[1.0,"ready"]]'


async def test_what_matters_is_kept_while_redis_is_away(redis: Redis) -> None:
    state = ServiceState("web", seq=5)
    outbox = Outbox(KEYS, lambda: [state], await held_fence(redis, KEYS))
    outbox.state(ServiceState("web", seq=1))
    outbox.receipt(receipt(CommandStatus.RUNNING, "claimed"))
    outbox.receipt(receipt(CommandStatus.SUCCEEDED, "done"))
    outbox.audit("start", "web", "succeeded")
    await outbox.connect(redis)
    task = asyncio.create_task(outbox.run(redis))
    await outbox.drained()
    await ended(task)
    assert await redis.hget(KEYS.command("x"), "status") == b"succeeded"
    assert await redis.xlen(KEYS.audit) == 1
    assert await read_service(redis, KEYS, "web") == state


async def test_lost_scripts_lose_no_receipt(redis: Redis) -> None:
    """`SCRIPT FLUSH`, or a Redis that came back empty under the same connection."""
    fence = await held_fence(redis, KEYS)
    outbox = Outbox(KEYS, list, fence)
    await outbox.connect(redis)
    first = asyncio.create_task(outbox.run(redis))
    outbox.audit("start", "web", "before")
    await outbox.drained()
    await redis.script_flush()
    outbox.receipt(receipt(CommandStatus.SUCCEEDED, "done"))
    await wait_until(first.done, what="the session to end")
    assert first.exception() is not None
    await fence.load(redis)
    await outbox.connect(redis)
    second = asyncio.create_task(outbox.run(redis))
    await outbox.drained()
    await ended(second)
    assert await redis.hget(KEYS.command("x"), "status") == b"succeeded"


async def test_a_rewrite_deletes_what_is_gone_and_keeps_the_order(redis: Redis) -> None:
    states = [ServiceState("a", seq=1), ServiceState("b", seq=1)]
    outbox = Outbox(KEYS, lambda: states, await held_fence(redis, KEYS))
    await outbox.connect(redis)
    task = asyncio.create_task(outbox.run(redis))
    del states[0]
    outbox.rewrite()
    states[0] = ServiceState("b", seq=2)
    outbox.state(states[0])
    await wait_until(lambda: _names(redis, {b"b"}), what="a is gone")
    await outbox.drained()
    await ended(task)
    assert await read_service(redis, KEYS, "a") is None
    assert await read_service(redis, KEYS, "b") == states[0]


async def _names(redis: Redis, wanted: set[bytes]) -> bool:
    return set(await redis.smembers(KEYS.services)) == wanted


async def test_audit_does_not_grow_without_end_while_redis_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.supervisor.outbox.MAX_WAITING", 10)
    outbox = Outbox(KEYS, list, NO_FENCE)
    for number in range(1000):
        outbox.audit("start", f"s{number}", "x")
    assert [getattr(item, "target", "") for item in outbox._items] == [
        f"s{number}" for number in range(990, 1000)
    ]
