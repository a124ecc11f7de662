"""Guessing: windows per user and address, and who is never locked out by others."""

import asyncio

from services.api.auth.limits import Limits, LoginLimits
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.auth.conftest import PASSWORD, Stack


async def _guess(limits: LoginLimits, username: str, address: str, times: int) -> list[bool]:
    """Failed attempts; for each whether it was allowed."""
    return [not (await limits.attempt(username, address)).retry_after for _ in range(times)]


async def test_windows(redis_url: str) -> None:
    redis = commands_client(redis_url, "test")
    limits = LoginLimits(redis, Keys(), Limits(pair=3, address=5, user=6))
    try:
        right = await limits.attempt("alice", "192.0.2.1")
        await limits.succeeded(right)
        # One name from one address.
        assert await _guess(limits, "bob", "192.0.2.66", 4) == [True] * 3 + [False]
        wait = (await limits.attempt("bob", "192.0.2.66")).retry_after
        assert 290 <= wait <= 300
        # Many names from one address; who logged in from there before is not hit.
        assert await _guess(limits, "carol", "192.0.2.66", 3) == [True, True, False]
        assert await _guess(limits, "carol", "192.0.2.1", 1) == [True]
        for name in ("n1", "n2"):
            await _guess(limits, name, "192.0.2.1", 3)
        assert await _guess(limits, "alice", "192.0.2.1", 1) == [True]
        # One name from everywhere, but never from where its password was right.
        for number in range(5):
            await _guess(limits, "alice", f"198.51.100.{number}", 1)
        assert await _guess(limits, "alice", "203.0.113.9", 1) == [False]
        assert await _guess(limits, "alice", "192.0.2.1", 1) == [True]
        # A correct login forgets the failures of this user from here.
        await limits.succeeded(await limits.attempt("alice", "192.0.2.1"))
        assert await _guess(limits, "alice", "192.0.2.1", 3) == [True] * 3
        # An IPv6 customer has one network, not 2^64 addresses.
        assert await _guess(limits, "dave", "2001:db8::1", 2) == [True] * 2
        assert await _guess(limits, "dave", "2001:db8::2", 2) == [True, False]
        assert await _guess(limits, "dave", "2001:db8:0:1::2", 1) == [True]
    finally:
        await redis.aclose(close_connection_pool=True)


async def test_the_window_slides(redis_url: str) -> None:
    redis = commands_client(redis_url, "test")
    limits = LoginLimits(redis, Keys(), Limits(pair=2, window_s=1))
    try:
        assert await _guess(limits, "bob", "192.0.2.66", 3) == [True, True, False]
        wait = (await limits.attempt("bob", "192.0.2.66")).retry_after
        assert wait == 1
        await asyncio.sleep(wait)
        assert await _guess(limits, "bob", "192.0.2.66", 1) == [True]
    finally:
        await redis.aclose(close_connection_pool=True)


async def test_attempts_side_by_side_on_two_replicas(stack: Stack) -> None:
    await stack.setup()
    body = {"username": "alice", "password": "wrong wrong"}
    answers = await asyncio.gather(
        *(stack.replicas[n % 2].post("/auth/login", body) for n in range(14))
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    # Even the right one has to wait here; nothing was hashed for those that were refused.
    right = {"username": "alice", "password": PASSWORD}
    assert (await stack.one.post("/auth/login", right)).status_code == 429
    assert sum(replica.auth.passwords.calls for replica in stack.replicas) == 10 + 1
