"""What the collector published, for the routes."""

import time
from typing import Any, Final, cast
from uuid import uuid4

import orjson
from redis.asyncio import Redis

from services.api.configuration import ConfigReader
from shared.bus.keys import Keys
from shared.bus.metrics import read_candidates, read_latest
from shared.bus.refusals import require_changes
from shared.errors import DumbError

ANSWER_S: Final = 60.0
LOOK_S: Final = 3
"""Shorter than the socket's own timeout."""


class CollectorAwayError(DumbError):
    """Nobody measures."""

    code = "collector_away"

    def __init__(self) -> None:
        super().__init__(
            "There is no measurement of the last seconds: is the program `metrics` running?"
        )


class StillMigratingError(DumbError):
    """An import outlasts its request."""

    code = "still_migrating"

    def __init__(self) -> None:
        super().__init__(
            "The import goes on; `GET /metrics/history/storage` shows when it is completed."
        )


async def latest(redis: Redis, keys: Keys) -> bytes:
    """The snapshot of now, as JSON.

    Raises:
        CollectorAwayError: there is none.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    found = await read_latest(redis, keys)
    if found is None:
        await require_changes(redis, keys)
        raise CollectorAwayError
    return found


async def candidates(redis: Redis, keys: Keys, what: str) -> list[dict[str, Any]]:
    """`filesystems` or `interfaces` of the collector's host. Raises as `latest`."""
    found = await read_candidates(redis, keys)
    if found is None or not isinstance(found.get(what), list):
        await require_changes(redis, keys)
        raise CollectorAwayError
    entries: list[dict[str, Any]] = found[what]
    return entries


async def configured_metrics(config: ConfigReader) -> dict[str, Any]:
    """`dumb.metrics`, {} when there is none. Raises what `ConfigReader.read` raises."""
    metrics = (await config.read()).dumb.get("metrics")
    return metrics if isinstance(metrics, dict) else {}


async def configured(config: ConfigReader, key: str, default: str) -> list[str]:
    """A list of `dumb.metrics`. Raises what `ConfigReader.read` raises."""
    value = (await configured_metrics(config)).get(key)
    texts = [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
    return texts or [default]


async def migrate(redis: Redis, keys: Keys, *, force: bool) -> dict[str, Any]:
    """Ask the collector to take over the original's history, and wait for the outcome.

    Raises:
        CollectorAwayError: nobody heard it.
        StillMigratingError: it takes longer than a request should.
        redis.exceptions.RedisError: Redis is away or refuses.
    """
    request_id = uuid4().hex
    request = orjson.dumps({"id": request_id, "op": "migrate", "force": force})
    if not await redis.publish(keys.metrics_requests, request):
        raise CollectorAwayError
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        found = await cast("Any", redis.blpop([keys.metrics_answer(request_id)], timeout=LOOK_S))
        if found is not None:
            answer: dict[str, Any] = orjson.loads(found[1])
            return answer
    raise StillMigratingError
