"""Reading the published state of services."""

from typing import cast

from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.models.service import ServiceState


async def read_service(redis: Redis, keys: Keys, process_name: str) -> ServiceState | None:
    """One service's state, or None when it is not published.

    Raises:
        ValueError: somebody wrote nonsense into the hash.
    """
    raw = cast("dict[bytes, bytes]", await redis.hgetall(keys.service(process_name)))
    return ServiceState.from_hash(process_name, raw) if raw else None


async def read_all_services(redis: Redis, keys: Keys) -> dict[str, ServiceState]:
    """Every published service by name, in two round trips. Unreadable hashes are left out."""
    members = cast("set[bytes]", await redis.smembers(keys.services))
    names = sorted(name.decode("utf-8", "replace") for name in members)
    pipe = redis.pipeline(transaction=False)
    for name in names:
        pipe.hgetall(keys.service(name))
    states: dict[str, ServiceState] = {}
    for name, raw in zip(names, await pipe.execute(raise_on_error=False), strict=True):
        if isinstance(raw, dict) and raw:
            try:
                states[name] = ServiceState.from_hash(name, raw)
            except ValueError:
                continue
    return states
