"""Delays as a client sees them: the 429, device tokens, tickets, and the right password."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

from shared.bus.keys import Keys
from tests.auth.conftest import PASSWORD, Replica, Stack
from tests.support.rounds import Rounds
from tests.support.wait import wait_until

RIGHT = {"username": "alice", "password": PASSWORD}
WRONG = {"username": "alice", "password": "wrong wrong"}
PER_S = 20


async def forget(stack: Stack) -> None:
    """No client is known, and no attempt was made."""
    redis = stack.supervisor.redis
    for key in redis.scan_iter(Keys().rate("*", "*")):
        redis.delete(key)
    for replica in stack.replicas:
        replica.http.cookies.clear()


async def refused(stack: Stack) -> httpx.Response:
    """A 429, after guesses by nobody who is known."""
    await forget(stack)
    answer = await stack.one.post("/auth/login", WRONG)
    while answer.status_code == 401:
        answer = await stack.one.post("/auth/login", WRONG)
    stack.one.http.cookies.clear()
    return answer


async def test_attempts_side_by_side_on_two_replicas(stack: Stack) -> None:
    await stack.setup()
    await forget(stack)
    answers = await asyncio.gather(
        *(stack.replicas[n % 2].post("/auth/login", WRONG) for n in range(14))
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 4
    # Nothing was hashed for those that were refused; one hash was of the first account.
    assert sum(replica.auth.passwords.calls for replica in stack.replicas) == 10 + 1


async def test_the_429(stack: Stack) -> None:
    await stack.setup()
    answer = await refused(stack)
    assert answer.status_code == 429
    tree = answer.json()
    assert set(tree) == {"detail", "ticket", "retry_after", "expires_in"}
    assert tree["detail"].startswith("Too many failed logins. Try again in 1 s.")
    assert (tree["retry_after"], tree["expires_in"]) == (1, 120)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    # A name that does not exist gets the same.
    await forget(stack)
    other = {**WRONG, "username": "nobody"}
    answers = [await stack.one.post("/auth/login", other) for _ in range(11)]
    assert [a.status_code for a in answers] == [401] * 10 + [429]
    made_up = answers[-1]
    assert set(made_up.headers) == set(answer.headers)
    without = {k: v for k, v in tree.items() if k != "ticket"}
    assert {k: v for k, v in made_up.json().items() if k != "ticket"} == without
    assert len(made_up.json()["ticket"]) == len(tree["ticket"])


async def test_a_ticket_in_a_header_or_a_cookie(stack: Stack) -> None:
    await stack.setup()
    ticket = (await refused(stack)).json()["ticket"]
    assert (await stack.two.post("/auth/login", RIGHT)).status_code == 429
    stack.two.http.cookies.clear()
    headers = {"X-Login-Ticket": ticket}
    answer = await stack.two.http.post("/auth/login", json=RIGHT, headers=headers)
    assert answer.status_code == 200
    # A page that knows nothing of tickets: its browser sends the cookie.
    await refused(stack)
    answers = [await stack.one.post("/auth/login", RIGHT) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 200]
    cookie = answers[0].headers["set-cookie"]
    assert cookie.startswith("dumb_login_ticket=t1.")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=120" in cookie


async def test_device_tokens(stack: Stack) -> None:
    await stack.setup()
    await forget(stack)
    answer = await stack.one.post("/auth/login", RIGHT)
    device = answer.headers["x-device-token"]
    assert re.fullmatch(r"dumbdev_[A-Za-z0-9_-]{43}", device)
    cookie = answer.headers["set-cookie"]
    assert f"dumb_device={device}; HttpOnly; Max-Age=31536000" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    # The browser comes back with its cookie, and is not given another.
    again = await stack.one.post("/auth/login", RIGHT)
    assert again.status_code == 200
    assert "x-device-token" not in again.headers
    assert "set-cookie" not in again.headers
    # Redis has no device token, and no address.
    redis = stack.supervisor.redis
    for key in list(redis.scan_iter(Keys().rate("*", "*"))):
        written = f"{key!r} {redis.zrange(key, 0, -1)!r}"
        assert device not in written
        assert "127.0.0.1" not in written
    # The address is not known any more, and others guess.
    stack.one.http.cookies.clear()
    redis.delete(Keys().rate("known", "addresses"))
    while (await stack.two.post("/auth/login", WRONG)).status_code == 401:
        pass
    headers = {"X-Device-Token": device}
    for odd in ("", "dumbdev_", device[:-1] + "!", "x" * 5000):
        bad = await stack.one.http.post("/auth/login", json=RIGHT, headers={"X-Device-Token": odd})
        stack.one.http.cookies.clear()
        assert bad.status_code == 429
    good = await stack.one.http.post("/auth/login", json=RIGHT, headers=headers)
    assert good.status_code == 200
    # It is worth nothing without the password.
    known = await stack.one.http.get("/auth/me", headers=headers)
    assert known.status_code == 401


async def test_a_login_over_tls_gives_a_cookie_for_tls(stack: Stack) -> None:
    await stack.setup()
    stack.one.http.cookies.clear()
    headers = {"X-Forwarded-Proto": "https"}  # of a proxy on this machine
    answer = await stack.one.http.post("/auth/login", json=RIGHT, headers=headers)
    assert "; Secure" in answer.headers["set-cookie"]


async def test_a_refresh_counts_as_coming_back(stack: Stack) -> None:
    pair = await stack.setup()
    redis = stack.supervisor.redis
    (devices,) = redis.scan_iter(Keys().rate("devices", "*"))
    first: Any
    (first,) = redis.zrange(devices, 0, -1)
    assert first.startswith(b"n:")
    answer = await stack.one.post("/auth/refresh", {"refresh_token": pair.refresh})
    assert answer.status_code == 200
    assert redis.zrange(devices, 0, -1) == [first.replace(b"n:", b"d:")]


@asynccontextmanager
async def guessing(replica: Replica) -> AsyncIterator[list[int]]:
    """20 guesses a second from this address; the statuses of their answers."""
    seen: list[int] = []

    async def one(http: httpx.AsyncClient, number: int) -> None:
        body = {"username": "alice", "password": f"guess {number}"}
        seen.append((await http.post("/auth/login", json=body)).status_code)

    async def all_of_them() -> None:
        # Without cookies, as programs that guess are.
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{replica.port}", timeout=30) as http,
            asyncio.TaskGroup() as group,
        ):
            http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
            number = 0
            while True:
                group.create_task(one(http, number))
                number += 1
                await asyncio.sleep(1 / PER_S)

    task = asyncio.create_task(all_of_them())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def log_in_patiently(http: httpx.AsyncClient) -> float:
    """As a client that knows tickets; the seconds until it is in."""
    began, headers = time.monotonic(), dict[str, str]()
    while True:
        answer = await http.post("/auth/login", json=RIGHT, headers=headers)
        if answer.status_code == 200:
            return time.monotonic() - began
        assert answer.status_code == 429
        await asyncio.sleep(float(answer.headers["retry-after"]))
        headers["X-Login-Ticket"] = answer.json()["ticket"]


async def test_the_right_password_is_in_while_others_guess(stack: Stack, rounds: Rounds) -> None:
    """From the same address, which is not known, at another replica."""
    await stack.setup()
    for _ in range(rounds(100)):
        await forget(stack)
        async with guessing(stack.one) as seen:
            await wait_until(lambda seen=seen: 429 in seen, what="guesses are delayed")
            taken = await log_in_patiently(stack.two.http)
        assert taken < 30
        assert 429 in seen[-5:]  # to the end
        assert seen.count(401) <= 13  # 10, and 3 since the address is known
