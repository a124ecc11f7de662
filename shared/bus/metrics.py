"""The metrics on the bus (docs/protocol.md, "Metrics")."""

from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis

from shared.bus.keys import Keys

LATEST_TTL_S: Final = 15
"""A snapshot that is older is nobody's present."""
CANDIDATES_TTL_S: Final = 180


async def read_latest(redis: Redis, keys: Keys) -> bytes | None:
    """The last snapshot as JSON; None when the collector is away."""
    return cast("bytes | None", await redis.get(keys.metrics_latest))


async def read_candidates(redis: Redis, keys: Keys) -> dict[str, Any] | None:
    """File systems and interfaces of the collector's host; None when it is away."""
    data = cast("bytes | None", await redis.get(keys.metrics_candidates))
    try:
        tree = orjson.loads(data) if data else None
    except ValueError:
        return None
    return tree if isinstance(tree, dict) else None
