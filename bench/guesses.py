"""Guesses of a password: when the right one is in meanwhile, and how many are checked.

Addresses come from X-Forwarded-For, which the API believes from this machine. Each round has an
account and an address of its own.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import Final

import httpx

from bench.report import figure, percentiles, topic
from bench.stack import post, running

PASSWORD: Final = "correct horse battery"  # noqa: S105 - of users of a benchmark
ROUNDS: Final = 100
AT_ONCE: Final = 4
PER_S: Final = 20
WITHIN_S: Final = 30.0
WARM_S: Final = 90.0
"""Until the addresses of an attacker with tickets have had a wrong one each."""
PARALLEL: Final = 4
DELAYED_S: Final = 1.5
"""Until the guesses of a round are delayed."""
Attack = Counter[int]
"""How often each status was answered."""


def main() -> None:
    """20 guesses a second, by clients that use tickets and by others."""
    topic(f"Guesses, {PER_S}/s at one account, one replica")
    with running({}) as stack:
        body = {"username": "admin", "password": PASSWORD}
        status, tree = post(stack.connection(), "/auth/setup", body)
        assert status == 200, tree
        asyncio.run(_measure(f"http://127.0.0.1:{stack.port}", tree["access_token"]))


async def _measure(base: str, token: str) -> None:
    async with httpx.AsyncClient(base_url=base, timeout=60) as http:
        names = [f"user{number}" for number in range(ROUNDS + 2 * PARALLEL)]
        for name in names:
            user = {"username": name, "password": PASSWORD, "role": "viewer"}
            headers = {"Authorization": f"Bearer {token}"}
            (await http.post("/auth/users", json=user, headers=headers)).raise_for_status()
        await _without_tickets(http, names[:ROUNDS])
        await _with_tickets(http, names[ROUNDS : ROUNDS + PARALLEL], from_here=False)
        await _with_tickets(http, names[ROUNDS + PARALLEL :], from_here=True)


async def _without_tickets(http: httpx.AsyncClient, names: list[str]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, address: str) -> float:
        async with turns, _attack(http, name, cycle([address]), tickets=False) as seen:
            await asyncio.sleep(DELAYED_S)
            assert seen[429]
            return await _log_in(http, name, address)

    rounds = (one(name, f"198.51.100.{number}") for number, name in enumerate(names))
    taken = await asyncio.gather(*rounds)
    _report("from the same address", taken)


async def _with_tickets(http: httpx.AsyncClient, names: list[str], *, from_here: bool) -> None:
    """An attacker who does with each 429 what it says, from three addresses or from the owner's."""
    began = time.monotonic()

    async def one(name: str, number: int) -> tuple[float, Attack]:
        block = f"2001:db8:{number:x}"
        owner = f"{block}:9::1"
        attackers = [owner] if from_here else [f"{block}:{n}::1" for n in range(3)]
        async with _attack(http, name, cycle(attackers), tickets=True) as seen:
            await asyncio.sleep(WARM_S)
            taken = await _log_in(http, name, owner)
        return taken, seen

    first = 0x100 if from_here else 0
    found = await asyncio.gather(*(one(name, first + n) for n, name in enumerate(names)))
    took = time.monotonic() - began
    where = "the same address" if from_here else "three other addresses"
    _report(f"from {where} with every ticket", [taken for taken, _ in found], target=not from_here)
    checked = max(seen[401] for _, seen in found)
    most = 30 + took / 24 + 3
    name = f"  guesses checked in {took:.0f} s (at most 300 in an hour)"
    figure(name, f"{checked}", f"{most:.0f}", met=checked <= most)


def _report(name: str, taken: list[float], *, target: bool = True) -> None:
    within = sum(seconds <= WITHIN_S for seconds in taken)
    shown = f"{within} of {len(taken)} ({percentiles(taken)} s)"
    met = within == len(taken) if target else None
    figure(f"{name}: the right password is in within {WITHIN_S:.0f} s", shown, "all", met=met)


@asynccontextmanager
async def _attack(
    http: httpx.AsyncClient, name: str, addresses: Iterator[str], *, tickets: bool
) -> AsyncIterator[Attack]:
    """Guess at this account until the block ends."""
    seen, held = Attack(), dict[str, str]()

    async def guess(address: str, number: int) -> None:
        headers = {"X-Forwarded-For": address}
        if tickets and address in held:
            headers["X-Login-Ticket"] = held[address]
        answer = await _try(http, name, f"guess {number}", headers)
        seen[answer.status_code] += 1
        if answer.status_code == 429:
            held[address] = answer.json()["ticket"]

    async def forever() -> None:
        async with asyncio.TaskGroup() as group:
            number = 0
            while True:
                group.create_task(guess(next(addresses), number))
                number += 1
                await asyncio.sleep(1 / PER_S)

    task = asyncio.create_task(forever())
    try:
        yield seen
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _log_in(http: httpx.AsyncClient, name: str, address: str) -> float:
    """As a client that knows tickets; the seconds until it is in, or until it gave up."""
    began, headers = time.monotonic(), {"X-Forwarded-For": address}
    while True:
        answer = await _try(http, name, PASSWORD, headers)
        taken = time.monotonic() - began
        if answer.status_code == 200 or taken > WITHIN_S:
            return taken
        tree = answer.json()
        await asyncio.sleep(tree["retry_after"])
        headers["X-Login-Ticket"] = tree["ticket"]


async def _try(
    http: httpx.AsyncClient, name: str, password: str, headers: dict[str, str]
) -> httpx.Response:
    http.cookies.clear()  # a client of its own each time
    body = {"username": name, "password": password}
    return await http.post("/auth/login", json=body, headers=headers)
