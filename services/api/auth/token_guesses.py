"""Tokens that were never signed here: how often they are looked at.

A token has 256 bits and is not guessed, so one that is good is never delayed. What is not good is
counted for the place that sends it, and refused after too many.
"""

from services.api.auth.audit import AuditLog
from services.api.auth.caller import Caller
from services.api.auth.errors import TooManyAttemptsError
from services.api.auth.limits import Kind, LoginLimits
from services.api.auth.places import place_of


class TokenGuesses:
    """Counts them. No account is meant, so each place has counters of its own."""

    def __init__(self, limits: LoginLimits, audit: AuditLog) -> None:
        self._limits = limits
        self._audit = audit

    async def count(self, caller: Caller, secret: str) -> None:
        """Count a token that is not good.

        Raises:
            TooManyAttemptsError: there were too many.
            redis.exceptions.RedisError, OSError: Redis is away or refuses.
        """
        place = place_of(caller.address)
        attempt = await self._limits.attempt(Kind.TOKEN, place, caller, secret)
        if attempt.allowed:
            return
        if attempt.to_note:
            await self._audit.note("token", "anonymous", caller.address, "delayed")
        raise TooManyAttemptsError(attempt.retry_after, "invalid tokens", ticket=attempt.ticket)
