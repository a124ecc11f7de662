"""How often passwords, setup codes and tokens may be guessed. The state is in `dumb:rate:*`.

Attempts of one account that are checked within an hour, however many addresses they come from:
`pool` without any right, one ticket in `slot_s`, and `known` for each known address and device.
With the defaults that is 30 + 150 + 20 * 3 + 20 * 3 = 300. Known clients have attempts of their
own, so the failures of others never delay them. The rules: docs/authentication.md.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

from redis.asyncio import Redis

from services.api.auth.caller import DEVICE_LIFE_S, Caller
from services.api.auth.places import digest, place_of
from services.api.auth.tickets import make_ticket, ticket_id
from services.api.auth.tokens import new_id
from shared.bus.keys import Keys
from shared.bus.scripts import LOGIN_ATTEMPT, LOGIN_GOES_ON, LOGIN_SUCCEEDED

KNOWN_FOR_S: Final = 30 * 86400
BUCKETS: Final = 1024
"""Names share so many counters, existing names and others alike: a stranger who makes names up
neither fills Redis nor learns which of them exist."""


class Kind(StrEnum):
    """What is guessed. Each kind has counters of its own."""

    LOGIN = "login"
    CODE = "code"
    SETUP = "setup"
    TOKEN = "token"  # noqa: S105 - the name of a kind


@dataclass(frozen=True, slots=True)
class Limits:
    """Attempts that fail. `pair` and `place` are per `window_s`, the others per hour."""

    pair: int = 10
    """Of one account from one place."""
    place: int = 50
    """Of all accounts from one place."""
    pool: int = 30
    """Of one account from all places."""
    known: int = 3
    """Of one known address, or of one known device, before it falls back to the others."""
    addresses: int = 20
    devices: int = 10
    """So many that came back, and so many that did not yet."""
    slot_s: float = 24.0
    """Seconds between two tickets of one account."""
    step_s: float = 2.0
    """A place whose tickets were wrong lets others go first: seconds for each, up to `STEPS`."""
    window_s: int = 300

    @property
    def longest_wait_s(self) -> float:
        """From a refusal to the moment in which its ticket counts."""
        return self.slot_s + STEPS * self.step_s

    def to_json(self) -> str:
        """As the scripts read it."""
        return json.dumps(
            {
                "hour": HOUR_S,
                "window": self.window_s,
                "pair": self.pair,
                "place": self.place,
                "pool": self.pool,
                "known": self.known,
                "addresses": self.addresses,
                "devices": self.devices,
                "slot": self.slot_s,
                "step": self.step_s,
                "steps": STEPS,
                "notes": NOTES,
                "address_life": KNOWN_FOR_S,
                "device_life": DEVICE_LIFE_S,
            }
        )


HOUR_S: Final = 3600
STEPS: Final = 3
NOTES: Final = 20
"""Refusals of one account in an hour that the audit names: one for each place and window."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a client at an account. `member` "": it must not be made."""

    member: str
    keys: tuple[str, str, str]
    place: str
    device: str
    """The hash of its device token, if that is known for this account; else ""."""
    retry_after: int
    """Seconds until `ticket` counts, for one that must not be made."""
    ticket: str = field(default="", repr=False)
    to_note: bool = False
    """It is the first refusal here in a while, and the audit shall say so."""

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
        self._limits = (limits or Limits()).to_json()
        self._attempt = redis.register_script(LOGIN_ATTEMPT)
        self._succeeded = redis.register_script(LOGIN_SUCCEEDED)
        self._goes_on = redis.register_script(LOGIN_GOES_ON)

    async def attempt(
        self, kind: Kind, name: str, caller: Caller, secret: str, *, count: bool = True
    ) -> Attempt:
        """Count an attempt, unless it must not be made. Without `count` only look."""
        place, account = place_of(caller.address), f"{kind} {name}"
        pair = digest(f"{place} {account}")
        keys = (
            self._keys.rate(kind, _bucket(account, secret)),
            self._keys.rate("known", digest(account)),
            self._keys.rate(f"{kind}-place", digest(place)),
        )
        earlier = self._keys.rate("known-pair", digest(f"{place} {name}"))
        member, wait, device_known, to_note = cast(
            "tuple[bytes, int, int, int]",
            await self._attempt(
                keys=[*keys, earlier],
                args=[
                    new_id(),
                    "1" if count else "0",
                    pair,
                    digest(place),
                    caller.device,
                    ticket_id(secret, pair, caller.ticket) if caller.ticket else "",
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
            to_note=bool(to_note),
        )

    async def succeeded(self, attempt: Attempt, new_device: str = "") -> None:
        """The guess was right: it does not count, and the place and the device are known.

        `new_device`: the hash of a device token that is handed out now.
        """
        await self._succeeded(
            keys=list(attempt.keys),
            args=[
                attempt.member,
                attempt.place,
                new_device or attempt.device,
                "1" if new_device else "0",
                self._limits,
            ],
        )

    async def goes_on(self, name: str, caller: Caller) -> None:
        """A login was renewed: where it is known, it is known for longer."""
        known = self._keys.rate("known", digest(f"{Kind.LOGIN} {name}"))
        args = [digest(place_of(caller.address)), caller.device, DEVICE_LIFE_S]
        await self._goes_on(keys=[known], args=args)

    async def withdrawn(self, attempt: Attempt) -> None:
        """The attempt was not made after all."""
        attempts, _known, place = attempt.keys
        pipe = self._redis.pipeline(transaction=True)
        pipe.zrem(attempts, attempt.member)
        pipe.zrem(place, attempt.member.rpartition(":")[2])
        await pipe.execute()


def _bucket(account: str, secret: str) -> str:
    """Which counters a name has: a stranger cannot tell, so cannot aim at those of another."""
    found = hmac.digest(secret.encode(), account.encode("utf-8", "replace"), hashlib.sha256)
    return f"{int.from_bytes(found[:4]) % BUCKETS:x}"
