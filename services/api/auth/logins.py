"""Names and passwords: counted, checked, and answered alike whoever it was."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from redis.exceptions import RedisError

from services.api.auth.audit import AuditLog
from services.api.auth.caller import Caller, device_hash
from services.api.auth.changes import AccountChanges
from services.api.auth.errors import TooManyAttemptsError
from services.api.auth.limits import Kind, LoginLimits
from services.api.auth.passwords import BusyError, Passwords
from services.api.auth.principal import Gate, Known
from shared.errors import DumbError
from shared.models.account import Account
from shared.models.account_change import AccountOp

_log = logging.getLogger(__name__)

UNKNOWN: Final = "(unknown user)"
"""In the audit instead of a name that is nobody's: people type passwords into that field."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Whose password it was. `device`: the device token to hand out, "" for none."""

    known: Known
    account: Account
    device: str = field(default="", repr=False)


class Logins:
    """Checks passwords, within limits."""

    def __init__(
        self,
        gate: Gate,
        passwords: Passwords,
        limits: LoginLimits,
        audit: AuditLog,
        changes: AccountChanges,
    ) -> None:
        self._gate = gate
        self._passwords = passwords
        self._limits = limits
        self._audit = audit
        self._changes = changes
        self._upgrades: set[asyncio.Task[None]] = set()

    async def check(
        self, username: str, password: str, caller: Caller, *, new_device: str = ""
    ) -> Checked | None:
        """The user whose password this is and who may log in, else None.

        Args:
            new_device: a device token for a client that brings none that is known.

        Raises:
            TooManyAttemptsError: not even looked at.
            BusyError, AuthUnknownError, redis.exceptions.RedisError, OSError: not now.
        """
        known = await self._gate.look(username=username)
        account = known.look.account
        actor = account.username if account is not None else UNKNOWN
        attempt = await self._limits.attempt(Kind.LOGIN, username, caller, known.secret)
        if not attempt.allowed:
            raise TooManyAttemptsError(attempt.retry_after, ticket=attempt.ticket)
        stored = account.password if account is not None else None
        try:
            verdict = await self._passwords.verify(password, stored)
        except BusyError:
            await self._limits.withdrawn(attempt)
            raise
        if account is None or account.disabled or not verdict.right:
            why = "disabled" if account is not None and verdict.right else "refused"
            await self._audit.note("login", actor, caller.address, why)
            return None
        handed_out = "" if attempt.device else new_device
        await self._limits.succeeded(attempt, device_hash(handed_out) if handed_out else "")
        await self._audit.note("login", actor, caller.address, "succeeded")
        if verdict.better_hash is not None:
            self._upgrade(account, verdict.better_hash)
        return Checked(known, account, handed_out)

    async def welcome(self, username: str, caller: Caller, secret: str, device: str) -> None:
        """Know the client that made this account, and its new device token, from now on.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away or refuses.
        """
        await self._limits.welcome(username, caller, secret, device_hash(device))

    async def goes_on(self, username: str, caller: Caller, secret: str) -> None:
        """A login was renewed by this client: what is known of it is known for longer.

        The new tokens must reach the client, so a Redis that fails now does not matter.
        """
        with suppress(RedisError, OSError):
            await self._limits.goes_on(username, caller, secret)

    def _upgrade(self, account: Account, better: str) -> None:
        """Nobody waits for it: a login must work while the supervisor is away."""
        task = asyncio.get_running_loop().create_task(self._store(account, better))
        self._upgrades.add(task)
        task.add_done_callback(self._upgrades.discard)

    async def _store(self, account: Account, better: str) -> None:
        try:
            await self._changes.make(
                AccountOp.UPGRADE_HASH,
                by=None,
                username=account.username,
                old_hash=account.password,
                password_hash=better,
            )
        except (DumbError, RedisError, OSError) as error:
            _log.info("the hash of %s stays as it is for now: %s", account.username, error)
