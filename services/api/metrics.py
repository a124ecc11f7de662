"""What the collector published, for the routes."""

from typing import Any

from redis.asyncio import Redis

from services.api.configuration import ConfigReader
from shared.bus.keys import Keys
from shared.bus.metrics import read_candidates, read_latest
from shared.errors import DumbError


class CollectorAwayError(DumbError):
    """Nobody measures."""

    code = "collector_away"

    def __init__(self) -> None:
        super().__init__(
            "There is no measurement of the last seconds: is the program `metrics` running?"
        )


async def latest(redis: Redis, keys: Keys) -> bytes:
    """The snapshot of now, as JSON.

    Raises:
        CollectorAwayError: there is none.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    found = await read_latest(redis, keys)
    if found is None:
        raise CollectorAwayError
    return found


async def candidates(redis: Redis, keys: Keys, what: str) -> list[dict[str, Any]]:
    """`filesystems` or `interfaces` of the collector's host. Raises as `latest`."""
    found = await read_candidates(redis, keys)
    if found is None or not isinstance(found.get(what), list):
        raise CollectorAwayError
    entries: list[dict[str, Any]] = found[what]
    return entries


async def configured(config: ConfigReader, key: str, default: str) -> list[str]:
    """A list of `dumb.metrics`. Raises what `ConfigReader.read` raises."""
    metrics = (await config.read()).dumb.get("metrics")
    value = metrics.get(key) if isinstance(metrics, dict) else None
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
    return texts or [default]
