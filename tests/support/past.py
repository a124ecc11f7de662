"""A history as a collector leaves it."""

from typing import Any

from redis.asyncio import Redis

from services.metrics.history.encoding import Encoder
from services.metrics.history.store import Store
from shared.bus.keys import Keys
from shared.metrics.tiers import TIERS


def past_snapshot(at: float) -> dict[str, Any]:
    """CPU percent is the second of the minute; one byte a second is sent."""
    return {
        "timestamp": at,
        "system": {
            "cpu_percent": at % 60,
            "mem": {"percent": 50.0},
            "net_io": {"sent_bytes": int(at), "recv_bytes": 0},
            "filesystems": [{"path": "/", "percent": 10.0, "inode": {"percent": 1.0}}],
        },
        "dumb_managed": [{"name": "Svc", "pid": 7, "cpu_percent": 1.0, "rss": 5, "threads": 2}],
        "external": [],
    }


async def write_past(redis: Redis, keys: Keys, times: list[float], now: float) -> None:
    """Samples of these times and what was made of them until `now`, expired as usual."""
    store, encoder = Store(redis, keys), Encoder()
    for begin in range(0, len(times), 500):
        rows = [encoder.encode(int(t * 1000), past_snapshot(t)) for t in times[begin : begin + 500]]
        for dictionary in {row.dictionary for row in rows}:
            await store.save_dictionary(dictionary)
        await store.append(TIERS[0], rows)
    await store.roll_up(now)
    await store.expire(now, 7)
