"""What the API itself writes into the audit stream: logins. Never a password."""

import time

from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.models.audit import LENGTH, AuditEntry


class AuditLog:
    """Appends to `dumb:audit`."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.audit

    async def note(self, action: str, actor: str, address: str, outcome: str) -> None:
        """One entry. Raises what redis-py raises."""
        who = actor[:200]
        entry = AuditEntry(time.time(), who, f"api@{address}", action, who, outcome)
        await self._redis.xadd(self._key, entry.to_hash(), maxlen=LENGTH, approximate=True)
