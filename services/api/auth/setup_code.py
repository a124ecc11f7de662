"""`DUMB_SETUP_CODE`: what protects an API before its first account exists."""

import secrets
from collections.abc import Sequence
from typing import Final

from services.api.auth.audit import AuditLog
from services.api.auth.caller import Caller
from services.api.auth.errors import TooManyAttemptsError
from services.api.auth.limits import Kind, LoginLimits
from services.api.auth.policy import Code

HEADER: Final = "x-setup-code"
QUERY: Final = "setup_code"
"""For sockets: a browser cannot send headers with those."""

_NAME: Final = "\0setup code"
"""The name under which attempts are counted; a user cannot have it."""


class SetupCode:
    """The code of this API, "" for none, and how often it may be guessed."""

    def __init__(self, code: str, limits: LoginLimits, audit: AuditLog) -> None:
        self._code = code.encode()
        self._limits = limits
        self._audit = audit

    @property
    def is_set(self) -> bool:
        return bool(self._code)

    def shown(self, values: Sequence[str]) -> Code:
        """What these values of the header, or of the query, are worth."""
        if not self._code:
            return Code.NONE
        if not any(values):
            return Code.MISSING
        right = [secrets.compare_digest(value.encode(), self._code) for value in values]
        return Code.RIGHT if all(right) else Code.WRONG

    async def count(self, code: Code, caller: Caller, secret: str) -> None:
        """Count a wrong code, as a wrong password is; after too many the right one waits too.

        Raises:
            TooManyAttemptsError: the code does not count now.
            redis.exceptions.RedisError, OSError: Redis is away or refuses.
        """
        if code not in (Code.RIGHT, Code.WRONG):
            return
        wrong = code is Code.WRONG
        attempt = await self._limits.attempt(Kind.CODE, _NAME, caller, secret, count=wrong)
        if not attempt.allowed:
            raise TooManyAttemptsError(
                attempt.retry_after, "wrong setup codes", ticket=attempt.ticket
            )
        if wrong:
            await self._audit.note("setup-code", "anonymous", caller.address, "refused")
        elif not attempt.of_known:
            await self._limits.succeeded(attempt)
