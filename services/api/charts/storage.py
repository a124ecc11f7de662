"""What the history takes up: `GET /metrics/history/storage`, in the original's shape.

The history lies in Redis, not in SQLite: the block `sqlite` describes what plays its part.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.bus.metrics import read_ends
from shared.metrics.tiers import TIERS, Ends

PROVIDER: Final = "redis"
NOT_BUILT: Final = "PostgreSQL is not supported; the history is kept in Redis."


async def read_storage(redis: Redis, keys: Keys, configured: Mapping[str, Any]) -> dict[str, Any]:
    """The whole answer. `configured`: `dumb.metrics`. Raises what redis-py raises."""
    storage = configured.get("storage")
    provider = storage.get("provider") if isinstance(storage, dict) else None
    postgresql = provider == "postgresql"
    return {
        "configured_provider": provider if isinstance(provider, str) else "sqlite",
        "active_provider": PROVIDER,
        "fallback_active": postgresql,
        "last_error": NOT_BUILT if postgresql else None,
        "last_postgresql_success": None,
        "sqlite": await _kept(redis, keys),
        "postgresql": None,
        "legacy_jsonl": await _legacy(redis, keys),
    }


async def _kept(redis: Redis, keys: Keys) -> dict[str, Any]:
    histories = [keys.metrics_history(tier.name) for tier in TIERS]
    streams = [*histories, *(keys.metrics_snapshots(tier.name) for tier in TIERS)]
    pipe = redis.pipeline(transaction=False)
    for key in (*streams, keys.metrics_dictionary):
        pipe.memory_usage(key)
    pipe.hgetall(keys.metrics_totals)
    *sizes, raw_totals = await pipe.execute()
    totals = _numbers(raw_totals)
    ends = await read_ends(redis, histories)
    raw = sum(totals.get(f"{key}:raw", 0) for key in streams)
    packed = sum(totals.get(f"{key}:packed", 0) for key in streams)
    known = [end for end in ends if end is not None]
    return {
        "path": keys.metrics_history("*"),
        "samples": sum(totals.get(f"{key}:rows", 0) for key in histories),
        "raw_bytes": raw,
        "compressed_bytes": packed,
        "file_bytes": sum(size or 0 for size in sizes),
        "compression_ratio": round(raw / packed, 2) if packed else 0.0,
        "oldest_timestamp": min(end.first for end in known) / 1000 if known else None,
        "newest_timestamp": max(end.last for end in known) / 1000 if known else None,
        "tiers": {
            tier.name: _tier(totals.get(f"{key}:rows", 0), end)
            for tier, key, end in zip(TIERS, histories, ends, strict=True)
        },
    }


def _tier(rows: int, end: Ends | None) -> dict[str, Any]:
    return {
        "samples": rows,
        "oldest_timestamp": end.first / 1000 if end else None,
        "newest_timestamp": end.last / 1000 if end else None,
    }


async def _legacy(redis: Redis, keys: Keys) -> dict[str, Any]:
    found = await cast("Any", redis.hgetall(keys.metrics_migration))
    numbers = _numbers(found)
    return {
        "files": numbers.get("present_files", 0),
        "bytes": numbers.get("present_bytes", 0),
        "migration": {
            "completed": found.get(b"completed") == b"1",
            **{name: numbers.get(name, 0) for name in ("files", "samples", "skipped")},
        },
        "preserved": True,
    }


def _numbers(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    found = ((key.decode("utf-8", "replace"), value) for key, value in fields.items())
    return {key: int(value) for key, value in found if value.lstrip(b"-").isdigit()}
