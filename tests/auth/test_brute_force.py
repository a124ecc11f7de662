"""Guesses: how many are checked, who is never delayed by others, and what a ticket is worth."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from services.api.auth.caller import Caller, device_hash, new_device
from services.api.auth.limits import Attempt, Kind, Limits, LoginLimits
from services.api.auth.places import digest, place_of
from shared.bus.client import commands_client
from shared.bus.keys import Keys

SECRET = "of these tests"
HOME, ELSEWHERE, ATTACKER = "192.0.2.1", "203.0.113.9", "198.51.100.66"
FEW = Limits(pair=3, place=5, pool=6, known=2, known_all=4, slot=3600, step=0, devices=2)


@dataclass
class Guesses:
    """One guess after another, as a replica counts them."""

    limits: LoginLimits
    kind: Kind = Kind.LOGIN

    async def one(
        self, name: str, address: str, device: str = "", ticket: str = "", secret: str = SECRET
    ) -> Attempt:
        return await self.limits.attempt(self.kind, name, Caller(address, device, ticket), secret)

    async def wrong(self, name: str, address: str, times: int, device: str = "") -> list[bool]:
        """For each whether it was checked."""
        return [(await self.one(name, address, device)).allowed for _ in range(times)]

    async def right(self, name: str, address: str, device: str = "", new: str = "") -> None:
        attempt = await self.one(name, address, device)
        assert attempt.allowed
        await self.limits.succeeded(attempt, new)


@pytest_asyncio.fixture
async def guesses(redis_url: str) -> AsyncIterator[Guesses]:
    redis = commands_client(redis_url, "test")
    yield Guesses(LoginLimits(redis, Keys(), FEW))
    await redis.aclose(close_connection_pool=True)


def with_limits(guesses: Guesses, limits: Limits) -> Guesses:
    return Guesses(LoginLimits(guesses.limits._redis, Keys(), limits))


async def exhausted(guesses: Guesses, name: str) -> Attempt:
    """A refusal after guesses from everywhere, whose ticket was used by another."""
    for number in range(FEW.pool):
        await guesses.one(name, f"198.51.100.{number}")
    refused = await guesses.one(name, ATTACKER)
    assert (await guesses.one(name, ATTACKER, ticket=refused.ticket)).allowed
    return await guesses.one(name, ATTACKER)


async def test_delays_count_for_an_account_and_a_place(guesses: Guesses) -> None:
    assert await guesses.wrong("bob", ATTACKER, 4) == [True] * 3 + [False]
    assert await guesses.wrong("bob", ELSEWHERE, 1) == [True]  # another address
    assert await guesses.wrong("carol", ATTACKER, 3) == [True, True, False]  # all names of a place
    # A customer with IPv6 has one network and not 2^64 addresses.
    assert await guesses.wrong("dave", "2001:db8::1", 2) == [True] * 2
    assert await guesses.wrong("dave", "2001:db8::2", 2) == [True, False]
    assert await guesses.wrong("dave", "2001:db8:0:1::2", 1) == [True]
    # All places together.
    assert await guesses.wrong("dave", ELSEWHERE, 3) == [True, True, False]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_places(address: str, place: str) -> None:
    assert place_of(address) == place


async def test_a_known_address_is_not_delayed_by_others(guesses: Guesses) -> None:
    await guesses.right("alice", HOME)
    refused = await exhausted(guesses, "alice")
    assert refused.retry_after > 3000
    assert await guesses.wrong("alice", ELSEWHERE, 1) == [False]
    assert await guesses.wrong("alice", HOME, 2) == [True] * 2
    assert await guesses.wrong("alice", HOME, 1) == [False]  # its own failures delay it
    # So it is for every name: a stranger there does not learn which accounts exist.
    await exhausted(guesses, "made up")
    assert await guesses.wrong("made up", HOME, 3) == [True, True, False]


async def test_right_passwords_are_not_counted(guesses: Guesses) -> None:
    await guesses.right("alice", HOME)
    assert not await guesses.limits._redis.exists(Keys().rate("login-place", digest(HOME)))
    for _ in range(10):
        await guesses.right("alice", HOME)
    assert await guesses.wrong("alice", HOME, 6) == [True] * 5 + [False]


async def test_a_known_device_is_not_delayed_by_others(guesses: Guesses) -> None:
    device, stolen = device_hash(new_device()), device_hash(new_device())
    await guesses.right("alice", HOME, new=device)
    await exhausted(guesses, "alice")
    await exhausted(guesses, "bob")
    assert await guesses.wrong("alice", ELSEWHERE, 1, device=stolen) == [False]
    assert await guesses.wrong("bob", ELSEWHERE, 1, device=device) == [False]  # not of bob
    assert (await guesses.one("alice", ELSEWHERE, device)).device == device
    assert await guesses.wrong("alice", ELSEWHERE, 2, device=device) == [True, False]


async def test_devices_that_never_come_back_do_not_push_out_others(guesses: Guesses) -> None:
    mine = device_hash(new_device())
    await guesses.right("alice", HOME, new=mine)
    await guesses.limits.goes_on("alice", Caller(HOME, mine), SECRET)  # it came back: a refresh
    made = [device_hash(new_device()) for _ in range(4)]
    for device in made:  # a script that logs in, and keeps nothing
        await guesses.right("alice", HOME, new=device)
    found = [(await guesses.one("alice", ELSEWHERE, device)).device for device in [mine, *made]]
    assert found == [mine, "", "", made[2], made[3]]


async def test_what_is_known_is_forgotten(guesses: Guesses) -> None:
    brief = replace(FEW, address_life=1, device_life=1)
    forgetful = with_limits(guesses, brief)
    device = device_hash(new_device())
    await forgetful.right("alice", HOME, new=device)
    await exhausted(forgetful, "alice")
    assert (await forgetful.one("alice", HOME, device)).device == device
    await asyncio.sleep(0.6)
    await forgetful.limits.welcome("carol", Caller(ELSEWHERE), SECRET, device)  # keys live on
    await asyncio.sleep(0.45)
    late = await forgetful.one("alice", HOME, device)
    assert (late.allowed, late.device) == (False, "")
    await forgetful.limits.goes_on("alice", Caller(HOME, device), SECRET)  # too late for that
    assert await forgetful.wrong("alice", HOME, 1) == [False]


async def test_an_address_that_an_earlier_version_knew(guesses: Guesses) -> None:
    mark = Keys().rate("known-address", digest(HOME))
    await guesses.limits._redis.set(mark, b"1", ex=86400)
    await exhausted(guesses, "alice")
    assert await guesses.wrong("alice", HOME, 1) == [True]
    since = await guesses.limits._redis.zscore(Keys().rate("known", "addresses"), digest(HOME))
    assert since is not None
    assert abs(time.time() - 29 * 86400 - since) < 60  # not known for longer than it was


async def test_known_clients_together_have_a_limit(guesses: Guesses) -> None:
    addresses = [f"192.0.2.{number}" for number in range(3)]
    devices = [device_hash(str(number)) for number in range(3)]
    spacious = with_limits(guesses, replace(FEW, devices=3))
    for address, device in zip(addresses, devices, strict=True):
        await spacious.right("alice", address, new=device)
    await exhausted(spacious, "alice")
    at_devices = [await spacious.wrong("alice", ELSEWHERE, 3, device) for device in devices]
    assert at_devices == [[True, True, False]] * 2 + [[False] * 3]
    at_addresses = [await spacious.wrong("alice", address, 3) for address in addresses]
    assert at_addresses == [[True, True, False]] * 2 + [[False] * 3]


async def test_so_many_addresses_are_known(guesses: Guesses) -> None:
    forgetful = with_limits(guesses, replace(FEW, addresses=2))
    for number in range(3):
        await forgetful.right("alice", f"192.0.2.{number}")
    await exhausted(forgetful, "alice")
    found = [await forgetful.wrong("alice", f"192.0.2.{number}", 1) for number in range(3)]
    assert found == [[False], [True], [True]]


async def test_a_device_that_came_back_is_kept_once(guesses: Guesses) -> None:
    device = device_hash(new_device())
    await guesses.right("alice", HOME, new=device)
    await guesses.right("alice", HOME, device)
    (key,) = [key async for key in guesses.limits._redis.scan_iter(Keys().rate("devices", "*"))]
    assert await guesses.limits._redis.zrange(key, 0, -1) == [f"d:{device}".encode()]


async def test_a_ticket_counts_once_for_its_account_and_place(guesses: Guesses) -> None:
    guesses = with_limits(guesses, Limits(pair=0, slot=0, step=0))
    refused = await guesses.one("alice", HOME)
    ticket = refused.ticket
    assert (refused.allowed, refused.retry_after) == (False, 1)
    for stolen in (
        await guesses.one("alice", ELSEWHERE, ticket=ticket),
        await guesses.one("bob", HOME, ticket=ticket),
        await guesses.one("alice", HOME, ticket=ticket, secret="of another installation"),
        await guesses.one("alice", HOME, ticket=ticket[:-1]),
        await guesses.one("alice", HOME, ticket=ticket.replace("t1.", "t1.f", 1)),
        await guesses.one("alice", HOME, ticket="t1.\0"),
    ):
        assert not stolen.allowed
    other = Guesses(guesses.limits, Kind.CODE)
    assert not (await other.one("alice", HOME, ticket=ticket)).allowed
    many = await asyncio.gather(*(guesses.one("alice", HOME, ticket=ticket) for _ in range(8)))
    assert [attempt.allowed for attempt in many].count(True) == 1  # replayed, side by side
    (used,) = (attempt for attempt in many if attempt.allowed)
    await guesses.limits.succeeded(used)
    assert not (await guesses.one("bob", ELSEWHERE, ticket=ticket)).allowed
    await guesses.limits._redis.delete(Keys().rate("known", "addresses"))
    assert not (await guesses.one("alice", HOME, ticket=ticket)).allowed  # also a right one
    # One that was not checked after all counts again.
    ticket = (await guesses.one("alice", HOME)).ticket
    await guesses.limits.withdrawn(await guesses.one("alice", HOME, ticket=ticket))
    assert (await guesses.one("alice", HOME, ticket=ticket)).allowed


async def test_a_ticket_expires(guesses: Guesses, monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = with_limits(guesses, Limits(pair=0))
    ticket = (await guesses.one("alice", HOME)).ticket
    now = time.time()
    monkeypatch.setattr("services.api.auth.tickets.time.time", lambda: now + 121)
    assert not (await guesses.one("alice", HOME, ticket=ticket)).allowed


async def test_hoarded_tickets_give_nothing(guesses: Guesses) -> None:
    limits = Limits(pair=0, slot=50, step=10, steps=3)
    guesses = with_limits(guesses, limits)
    hoard = [(await guesses.one("alice", ATTACKER)).ticket for _ in range(50)]
    used = [await guesses.one("alice", ATTACKER, ticket=ticket) for ticket in hoard]
    assert [attempt.allowed for attempt in used].count(True) == 1
    assert 50 < used[-1].retry_after <= 60
    # An address whose tickets were not wrong yet goes first: it waits for the slot alone.
    assert (await guesses.one("alice", HOME)).retry_after <= 50


async def test_at_most_300_guesses_of_an_account_in_an_hour(guesses: Guesses) -> None:
    """An attacker with 40 addresses of which 30 are known, who uses every ticket at once."""
    fast = Limits(hour=4, window=1, slot=24 / 900, step=0)
    guesses = with_limits(guesses, fast)  # an hour in 4 s
    for number in range(30):
        await guesses.right("alice", f"192.0.2.{number}", new=device_hash(str(number)))
    loop = asyncio.get_running_loop()
    end, checked = loop.time() + 3.6, 0  # within one hour

    async def attack(address: str, device: str) -> None:
        nonlocal checked
        ticket = ""
        while loop.time() < end:
            attempt = await guesses.one("alice", address, device, ticket)
            checked += attempt.allowed
            ticket = attempt.ticket
            await asyncio.sleep(0.01)

    await asyncio.gather(
        *(attack(f"192.0.2.{n}", device_hash(str(n % 10 + 20))) for n in range(40))
    )
    assert 200 <= checked <= 300


async def test_memory_is_bounded(guesses: Guesses) -> None:
    """Names that are made up share counters, and what is refused is not written."""
    redis = guesses.limits._redis
    await asyncio.gather(
        *(guesses.one(secrets.token_hex(8), f"198.51.100.{n % 20}") for n in range(2000))
    )
    keys = [key async for key in redis.scan_iter(Keys().rate("*", "*"), count=1000)]
    assert len(keys) <= 20 * FEW.place + 20  # a bucket each at most, and the places
    before = [await redis.zcard(key) for key in sorted(keys)]
    await asyncio.gather(*(guesses.one("made up", f"198.51.100.{n}") for n in range(20)))
    for _ in range(3):
        await asyncio.gather(
            *(guesses.one(secrets.token_hex(8), f"198.51.100.{n % 20}") for n in range(500))
        )
    assert [await redis.zcard(key) for key in sorted(keys)] == before
    assert all([0 < await redis.ttl(key) <= 3601 for key in keys])
