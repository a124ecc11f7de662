"""Reading secrets is in the audit stream, once a minute per reader and place."""

import time
from typing import Final

from redis.asyncio import Redis
from starlette.requests import Request

from shared.bus.keys import Keys
from shared.models.audit import LENGTH, AuditEntry

EVERY_S: Final = 60.0
MAX_KNOWN: Final = 2_000


class SecretReads:
    """A browser reads the configuration several times a page: that is one entry a minute."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.audit
        self._noted: dict[tuple[str, str, str], float] = {}

    async def note(self, request: Request, username: str | None) -> None:
        """Somebody is about to be shown secrets in clear. Raises what redis-py raises."""
        address = request.client.host if request.client else "unknown"
        target = request.query_params.get("process_name", "")[:200]
        place = f"{request.scope['path']} {target}".strip()
        who = (username or "anonymous", address, place)
        now = time.monotonic()
        if now - self._noted.get(who, -EVERY_S) < EVERY_S:
            return
        if len(self._noted) >= MAX_KNOWN:
            self._noted.clear()
        self._noted[who] = now
        actor = f"{who[0]}@{address}"
        entry = AuditEntry(time.time(), actor, "api", "read-secrets", place, "shown")
        await self._redis.xadd(self._key, entry.to_hash(), maxlen=LENGTH, approximate=True)
