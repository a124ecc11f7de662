"""Brute force: sliding windows of failed logins in `dumb:rate:*`.

Three windows. One for the user from this address, which a correct login clears. One for all of the
address and one for all of the user, which do not count for whoever has logged in correctly from
there before: neither a neighbour behind the same address nor a stranger who guesses from
elsewhere can lock somebody out who knows the password.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from services.api.auth.tokens import new_id
from shared.bus.keys import Keys
from shared.bus.scripts import RATE_ATTEMPT

WINDOW_S: Final = 300
KNOWN_FOR_S: Final = 30 * 86400


@dataclass(frozen=True, slots=True)
class Limits:
    """Failed attempts per window."""

    pair: int = 10
    address: int = 50
    user: int = 100
    window_s: int = WINDOW_S


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `retry_after` in seconds; 0: it may be made."""

    retry_after: int
    member: str
    windows: tuple[str, ...]
    marks: tuple[str, ...]


class LoginLimits:
    """Counts attempts before they are made, and takes successful ones back."""

    def __init__(self, redis: Redis, keys: Keys, limits: Limits | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._limits = limits or Limits()
        self._attempt = redis.register_script(RATE_ATTEMPT)

    async def attempt(self, username: str, address: str) -> Attempt:
        """Count an attempt unless there were too many. Raises what redis-py raises."""
        return await self._ask(username, address, new_id())

    async def wait(self, username: str, address: str) -> int:
        """Seconds until an attempt would be allowed; none is counted. Raises as `attempt` does."""
        return (await self._ask(username, address, "")).retry_after

    async def _ask(self, username: str, address: str, member: str) -> Attempt:
        place, user = _place(address), _digest(username)
        pair = _digest(f"{place} {username}")
        keys, limits = self._keys, self._limits
        windows = (
            keys.rate("login-pair", pair),
            keys.rate("login-address", _digest(place)),
            keys.rate("login-user", user),
        )
        known_pair = keys.rate("known-pair", pair)
        known_place = keys.rate("known-address", _digest(place))
        marks = (keys.rate("never", "-"), known_place, known_pair)
        wait = await self._attempt(
            keys=[*windows, *marks],
            args=[len(windows), member, limits.window_s, limits.pair, limits.address, limits.user],
        )
        return Attempt(int(wait), member, windows, (known_place, known_pair))

    async def succeeded(self, attempt: Attempt) -> None:
        """The password was right: forget this user's failures from here, know the place."""
        pair, *others = attempt.windows
        pipe = self._redis.pipeline(transaction=True)
        pipe.delete(pair)
        for window in others:
            pipe.zrem(window, attempt.member)
        for mark in attempt.marks:
            pipe.set(mark, b"1", ex=KNOWN_FOR_S)
        await pipe.execute()

    async def withdrawn(self, attempt: Attempt) -> None:
        """The attempt was not made after all."""
        pipe = self._redis.pipeline(transaction=True)
        for window in attempt.windows:
            pipe.zrem(window, attempt.member)
        await pipe.execute()


def _place(address: str) -> str:
    """An address; of IPv6 the network, because one customer has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
