"""The broker: its memory and clients, and how far its readers are behind."""

from typing import Any

from prometheus_client.core import Metric
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.api.exposition.families import gauge, gauges
from services.api.exposition.sources import Sources, number

MAX_COUNTED = 1000
"""On a Redis before 7, which does not know the lag, waiting entries are counted up to here."""


async def collect(sources: Sources) -> list[Metric]:
    """`dumb_redis_up` is added by whoever asks: it is 0 when this raises."""
    redis, keys = sources.redis, sources.keys
    info: Any = await redis.info()
    streams = (keys.commands, keys.triggers)
    groups = [row for stream in streams for row in await _groups(redis, stream)]
    lengths = [((stream,), float(await _length(redis, stream))) for stream in streams]
    labels = ("stream", "group")
    return [
        gauge("dumb_redis_memory_used_bytes", "Memory of Redis.", number(info.get("used_memory"))),
        gauge("dumb_redis_clients", "Connections to Redis.", number(info.get("connected_clients"))),
        gauges("dumb_redis_stream_entries", "Entries of a stream.", ("stream",), lengths),
        gauges(
            "dumb_redis_group_lag", "Entries that the group has not read yet.", labels,
            ((labels_, lag) for labels_, lag, _ in groups),
        ),
        gauges(
            "dumb_redis_group_pending", "Entries read, and not acknowledged yet.", labels,
            ((labels_, pending) for labels_, _, pending in groups),
        ),
    ]  # fmt: skip


async def _groups(redis: Redis, stream: str) -> list[tuple[tuple[str, str], float | None, float]]:
    try:
        found: Any = await redis.xinfo_groups(stream)
    except ResponseError:
        return []  # no stream yet, or a key of another type
    return [
        (
            (stream, group["name"].decode("utf-8", "replace")),
            await _lag(redis, stream, group),
            float(group["pending"]),
        )
        for group in found
    ]


async def _lag(redis: Redis, stream: str, group: dict[str, Any]) -> float | None:
    if "lag" in group:
        return number(group["lag"])
    last = group["last-delivered-id"].decode()
    return float(len(await redis.xrange(stream, min=f"({last}", count=MAX_COUNTED) or ()))


async def _length(redis: Redis, stream: str) -> int:
    try:
        return int(await redis.xlen(stream))
    except ResponseError:
        return 0
