"""Whether the history of metrics is complete: rolled up in time, in order, without holes."""

import time
from itertools import pairwise
from typing import Any, Final, cast

from redis import Redis

from services.jobs.job import JobRun

LOOKED_AT: Final = 50
"""The youngest entries of a tier, from which its pace is taken."""
LATE_AFTER: Final = 5
"""So many paces without an entry, and a tier is late."""
SLACK_S: Final = 60.0


def check_history(run: JobRun) -> dict[str, Any]:
    """Look at every tier of `dumb:metrics:history:*`; say which are late or have holes.

    It only reads: the collector writes its history itself, and makes up for what it missed.

    Raises:
        redis.exceptions.RedisError, OSError: Redis is away.
    """
    prefix = run.keys.metrics_history("")
    streams = sorted(
        cast("bytes", key).decode("utf-8", "replace")
        for key in run.redis.scan_iter(match=f"{prefix}*", count=500, _type="stream")
    )
    tiers = {name.removeprefix(prefix): _tier(run.redis, name, time.time()) for name in streams}
    late = [name for name, tier in tiers.items() if tier["late"]]
    if late:
        run.log.warning("the history of metrics is behind in: %s", ", ".join(late))
    return {"tiers": tiers, "late": late}


def _tier(redis: Redis, key: str, now: float) -> dict[str, Any]:
    entries = cast("list[tuple[bytes, Any]]", redis.xrevrange(key, count=LOOKED_AT))
    times = [int(entry_id.split(b"-")[0]) / 1000 for entry_id, _ in reversed(entries)]
    gaps = [after - before for before, after in pairwise(times)]
    pace = sorted(gaps)[len(gaps) // 2] if gaps else 0.0
    newest = times[-1] if times else 0.0
    allowed = LATE_AFTER * pace + SLACK_S
    return {
        "entries": redis.xlen(key),
        "newest_at": newest,
        "pace_s": round(pace, 3),
        "holes": sum(gap > allowed for gap in gaps),
        "late": bool(gaps) and now - newest > allowed,
    }
