"""What the API itself writes into the audit stream: logins. Never a password."""

import time
from typing import Any, Final

from redis.asyncio import Redis

from shared.bus.keys import Keys

LENGTH: Final = 10_000


class AuditLog:
    """Appends to `dumb:audit`."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.audit

    async def note(self, action: str, actor: str, address: str, outcome: str) -> None:
        """One entry. Raises what redis-py raises."""
        entry: dict[Any, Any] = {
            "at": str(time.time()),
            "actor": actor[:200],
            "source": f"api@{address}",
            "action": action,
            "target": actor[:200],
            "outcome": outcome,
        }
        await self._redis.xadd(self._key, entry, maxlen=LENGTH, approximate=True)
