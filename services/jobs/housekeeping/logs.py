"""Log streams in Redis whose service is no longer configured, and what all of them weigh."""

import time
from typing import Any, Final, cast

from redis import Redis

from services.jobs.config import read_config
from services.jobs.job import JobRun
from shared.bus.keys import Keys
from shared.config.pages import Config
from shared.config.services import walk_services

GONE_S: Final = 7 * 86_400.0
"""So long the log of a removed service can still be read."""
CAP_BYTES: Final = 128 * 1024 * 1024
OUTPUT: Final = ":output"


def retain_logs(run: JobRun) -> dict[str, Any]:
    """Delete logs of services that have been gone for a week; report what is left.

    A log belongs to the supervisor, which caps those that it writes. One that no service has is
    nobody's: it is noted when first seen, and deleted a week later. Files on the supervisor's
    disk are not touched. Without a supervisor nothing is decided.

    Raises:
        NoConfigError, redis.exceptions.RedisError, OSError: nothing could be decided.
    """
    redis, keys = run.redis, run.keys
    if not redis.exists(keys.supervisor):
        return {"deleted": [], "skipped": "no supervisor is there to say which services exist"}
    wanted = _wanted(redis, keys, read_config(redis, keys).effective)
    prefix = keys.log("").encode()
    names = {
        cast("bytes", key).removeprefix(prefix).decode("utf-8", "replace")
        for key in redis.scan_iter(match=keys.log("*"), count=500)
    }
    sizes = {name: _weight(redis, keys.log(name)) for name in names}
    gone = {name for name in names if name.removesuffix(OUTPUT) not in wanted}
    deleted = _delete_old(redis, keys, gone)
    total = sum(size for name, size in sizes.items() if name not in deleted)
    if total > CAP_BYTES:
        run.log.warning("logs take %d MiB of Redis, more than their 128 MiB", total >> 20)
    return {
        "logs": len(names) - len(deleted),
        "bytes": total,
        "over_cap": total > CAP_BYTES,
        "without_service": sorted(gone - set(deleted)),
        "deleted": sorted(deleted),
    }


def _wanted(redis: Redis, keys: Keys, config: Config) -> set[str]:
    configured = {service.process_name for service in walk_services(config)}
    published = cast("set[bytes]", redis.smembers(keys.services))
    return configured | {name.decode("utf-8", "replace") for name in published}


def _delete_old(redis: Redis, keys: Keys, gone: set[str]) -> list[str]:
    """Delete what has been gone long enough; note what is new, forget what came back."""
    now = time.time()
    noted = cast("dict[bytes, bytes]", redis.hgetall(keys.jobs_gone))
    since = {name.decode("utf-8", "replace"): _number(at) for name, at in noted.items()}
    back = [name for name in since if name not in gone]
    deleted = [name for name in gone if now - since.get(name, now) >= GONE_S]
    for name in gone - set(since):
        redis.hset(keys.jobs_gone, name, str(now))
    for name in deleted:
        redis.delete(keys.log(name), keys.logmeta(name))
    if back or deleted:
        redis.hdel(keys.jobs_gone, *back, *deleted)
    return deleted


def _weight(redis: Redis, key: str) -> int:
    return redis.memory_usage(key) or 0


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return time.time()
