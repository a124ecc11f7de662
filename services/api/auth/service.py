"""Everything about accounts that one replica has, put together."""

import asyncio
from dataclasses import dataclass, field

from redis.asyncio import Redis

from services.api.auth.audit import AuditLog
from services.api.auth.changes import AccountChanges
from services.api.auth.limits import Limits, LoginLimits
from services.api.auth.logins import Logins
from services.api.auth.passwords import Passwords
from services.api.auth.principal import Gate
from services.api.auth.sessions import Sessions
from services.api.auth.setup_code import SetupCode
from services.api.bridge import Bridge
from shared.bus.accounts import AccountReader
from shared.bus.keys import Keys


@dataclass(frozen=True, slots=True)
class AuthOptions:
    """What the environment decides.

    `secret` "": the one that the supervisor publishes. `setup_code` "": none is asked for.
    """

    secret: str = ""
    access_s: int = 60 * 60
    refresh_s: int = 30 * 86400
    limits: Limits = field(default_factory=Limits)
    setup_code: str = field(default="", repr=False)


class Changes:
    """Tells open sockets that something about accounts or logins has changed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def next(self) -> asyncio.Event:
        """Set at the next change. Take it before looking, or a change in between is missed."""
        return self._event

    def announce(self) -> None:
        """Something changed, or may have while nobody listened."""
        event, self._event = self._event, asyncio.Event()
        event.set()


class Auth:
    """The parts that routes and sockets use."""

    def __init__(self, redis: Redis, keys: Keys, bridge: Bridge, options: AuthOptions) -> None:
        self.gate = Gate(AccountReader(redis, keys), options.secret)
        self.passwords = Passwords()
        self.sessions = Sessions(
            redis, keys, access_s=options.access_s, refresh_s=options.refresh_s
        )
        self.changes = AccountChanges(redis, keys, bridge)
        limits, audit = LoginLimits(redis, keys, options.limits), AuditLog(redis, keys)
        self.logins = Logins(self.gate, self.passwords, limits, audit, self.changes)
        self.setup_code = SetupCode(options.setup_code, limits, audit)
        self.news = Changes()
        bridge.on_accounts(self.news.announce)
