"""How often passwords and setup codes may be guessed. The state is in `dumb:rate:*`.

Of one account at most 300 guesses are checked within an hour, however many addresses they come
from: `pool` without any right, one with a ticket in `slot_s` (150), and `known_all` each from known
addresses and of known devices (60 and 60). Known clients have attempts of their own, so the
failures of others never delay them. The rules: docs/authentication.md.
"""

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final, cast

from redis.asyncio import Redis

from services.api.auth.caller import DEVICE_LIFE_S, Caller
from services.api.auth.places import digest, place_of
from services.api.auth.tickets import make_ticket, ticket_id
from services.api.auth.tokens import new_id
from shared.bus.keys import Keys
from shared.bus.login_scripts import LOGIN_ATTEMPT, LOGIN_GOES_ON, LOGIN_SUCCEEDED

BUCKETS: Final = 1024
"""Names share so many counters, existing names and others alike: a stranger who makes names up
neither fills Redis nor learns which of them exist."""


class Kind(StrEnum):
    """What is guessed. Each kind has counters of its own."""

    LOGIN = "login"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Limits:
    """Attempts that fail. `pair` and `place` are per `window`, the others per `hour`.

    A known address is one of a login, of whichever account: so a stranger there does not learn
    from the limits which accounts exist. Times in seconds.
    """

    pair: int = 10
    """Of one account from one place."""
    place: int = 50
    """Of all accounts from one place."""
    pool: int = 30
    """Of one account from all places."""
    known: int = 3
    """Of one account from one known address, or of one known device, before the others count."""
    known_all: int = 60
    """Of one account from all known addresses; of all its known devices."""
    slot: float = 24.0
    """Between two tickets of one account."""
    step: float = 1.5
    """A place whose tickets were wrong lets others go first: for each of up to `steps`."""
    steps: int = 3
    addresses: int = 1000
    """Known addresses that are kept."""
    devices: int = 10
    """Devices of one account that are kept: so many that came back, and as many that did not."""
    window: int = 300
    hour: int = 3600
    address_life: int = 30 * 86400
    device_life: int = DEVICE_LIFE_S


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a client at an account. `member` "": it must not be made."""

    member: str
    keys: tuple[str, str, str, str]
    place: str
    device: str
    """The hash of its device token, if that is known for this account; else ""."""
    retry_after: int
    """Seconds until `ticket` counts, for one that must not be made."""
    ticket: str = field(default="", repr=False)

    @property
    def allowed(self) -> bool:
        return bool(self.member)

    @property
    def of_known(self) -> bool:
        """Whether it is one of a known address or device."""
        return self.member.startswith(("a:", "d:"))


class LoginLimits:
    """Counts attempts before they are made, and takes successful ones back.

    Every method raises what redis-py raises. `secret` is what tokens are signed with; tickets and
    the choice of counters derive from it, so replicas agree.
    """

    def __init__(self, redis: Redis, keys: Keys, limits: Limits | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._limits = json.dumps(asdict(limits or Limits()))
        self._attempt = redis.register_script(LOGIN_ATTEMPT)
        self._succeeded = redis.register_script(LOGIN_SUCCEEDED)
        self._goes_on = redis.register_script(LOGIN_GOES_ON)

    async def attempt(
        self, kind: Kind, name: str, caller: Caller, secret: str, *, count: bool = True
    ) -> Attempt:
        """Count an attempt, unless it must not be made. Without `count` only look."""
        place, account = place_of(caller.address), f"{kind} {name}"
        pair = digest(f"{place} {account}")
        keys = self._keys_of(kind, name, place, secret)
        # Earlier versions wrote this one.
        earlier = self._keys.rate("known-address", digest(place))
        ticket = ticket_id(secret, pair, caller.ticket) if caller.ticket else ""
        member, wait, device_known = cast(
            "tuple[bytes, int, int]",
            await self._attempt(
                keys=[*keys, earlier],
                args=[
                    new_id(),
                    "1" if count else "0",
                    digest(place),
                    caller.device,
                    ticket,
                    self._limits,
                ],
            ),
        )
        return Attempt(
            member.decode(),
            keys,
            digest(place),
            caller.device if device_known else "",
            wait,
            ticket="" if member else make_ticket(secret, pair),
        )

    async def succeeded(self, attempt: Attempt, new_device: str = "") -> None:
        """The guess was right: it does not count, and the place and the device are known.

        `new_device`: the hash of a device token that is handed out now.
        """
        await self._know(attempt.keys, attempt.member, attempt.place, attempt.device, new_device)

    async def welcome(self, name: str, caller: Caller, secret: str, new_device: str) -> None:
        """Know the client that made this account, and its new device token."""
        place = place_of(caller.address)
        keys = self._keys_of(Kind.LOGIN, name, place, secret)
        await self._know(keys, "", digest(place), "", new_device)

    async def goes_on(self, name: str, caller: Caller, secret: str) -> None:
        """A login was renewed: what is known of its client is known for longer."""
        place = place_of(caller.address)
        _attempts, addresses, devices, _place = self._keys_of(Kind.LOGIN, name, place, secret)
        args = [digest(place), caller.device, self._limits]
        await self._goes_on(keys=[addresses, devices], args=args)

    async def withdrawn(self, attempt: Attempt) -> None:
        """The attempt was not made after all."""
        attempts, _addresses, _devices, place = attempt.keys
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrem(attempts, attempt.member)
        pipe.zrem(place, attempt.member.rpartition(":")[2])
        await pipe.execute()

    async def _know(
        self, keys: tuple[str, ...], member: str, place: str, device: str, new_device: str
    ) -> None:
        is_new = "1" if new_device else "0"
        await self._succeeded(
            keys=list(keys), args=[member, place, new_device or device, is_new, self._limits]
        )

    def _keys_of(self, kind: Kind, name: str, place: str, secret: str) -> tuple[str, str, str, str]:
        account = f"{kind} {name}"
        return (
            self._keys.rate(kind, _bucket(account, secret)),
            self._keys.rate("known", "addresses"),
            self._keys.rate("devices", digest(account)),
            self._keys.rate(f"{kind}-place", digest(place)),
        )


def _bucket(account: str, secret: str) -> str:
    """Which counters a name has: a stranger cannot tell, so cannot aim at those of another."""
    found = hmac.digest(secret.encode(), account.encode("utf-8", "replace"), hashlib.sha256)
    return f"{int.from_bytes(found[:4]) % BUCKETS:x}"
