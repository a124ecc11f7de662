"""RQ's lists and registries, freed from what nobody can read.

RQ trusts what stands there: one entry that is no id ends a worker at each start, for ever.
"""

import logging
import time
from collections.abc import Callable
from typing import cast

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from shared.bus.keys import Keys
from shared.jobs import ID_PATTERN, queue_name

_log = logging.getLogger(__name__)


def sweep(redis: Redis, keys: Keys, queue: str) -> int:
    """Drop entries of one queue that are no ids, and put keys of another type aside.

    Returns: how many entries and keys that were. Raises what redis-py raises.
    """
    rq_queue = Queue(queue_name(keys, queue), connection=redis, serializer=JSONSerializer)
    registries = [
        rq_queue.scheduled_job_registry,
        rq_queue.finished_job_registry,
        rq_queue.failed_job_registry,
        rq_queue.canceled_job_registry,
    ]
    found = 0
    for key in (rq_queue.key, rq_queue.intermediate_queue_key):
        found += _sweep_list(redis, key)
    for registry in registries:
        found += _sweep_set(redis, registry.key, _is_id)
    found += _sweep_set(redis, rq_queue.started_job_registry.key, _is_execution)
    if found:
        _log.warning("queue %s: dropped %d entries that were no jobs", queue, found)
    return found


def mend(redis: Redis, keys: Keys) -> bool:
    """Put keys of another type aside that all queues share; whether there were any.

    Raises what redis-py raises.
    """
    kinds = {
        keys.jobs_lease: b"string",
        "rq:queues": b"set",
        "rq:workers": b"set",
        **dict.fromkeys(
            (
                keys.jobs_programs,
                keys.jobs_schedule,
                keys.jobs_open,
                keys.jobs_counters,
                keys.jobs_gone,
                keys.seerr_requests,
                keys.seerr_failed,
                keys.seerr_meta,
                keys.seerr_counters,
            ),
            b"hash",
        ),
    }
    found = [key for key, kind in kinds.items() if _put_aside(redis, key, kind)]
    if found:
        _log.warning("put aside, for they were of another type: %s", ", ".join(found))
    return bool(found)


def _sweep_list(redis: Redis, key: str) -> int:
    if _put_aside(redis, key, b"list"):
        return 1
    bad = {entry for entry in cast("list[bytes]", redis.lrange(key, 0, -1)) if not _is_id(entry)}
    return sum(redis.lrem(key, 0, cast("str", entry)) for entry in bad)


def _sweep_set(redis: Redis, key: str, good: Callable[[bytes], bool]) -> int:
    if _put_aside(redis, key, b"zset"):
        return 1
    bad = [entry for entry in cast("list[bytes]", redis.zrange(key, 0, -1)) if not good(entry)]
    return redis.zrem(key, *bad) if bad else 0


def _put_aside(redis: Redis, key: str, kind: bytes) -> bool:
    """Whether the key was of another type: it is renamed then, for somebody to look at."""
    if redis.type(key) in {kind, b"none"}:
        return False
    redis.rename(key, f"{key}:aside:{int(time.time())}")
    return True


def _is_id(entry: bytes) -> bool:
    return ID_PATTERN.fullmatch(entry.decode("utf-8", "replace")) is not None


def _is_execution(entry: bytes) -> bool:
    job_id, colon, execution = entry.partition(b":")
    return bool(colon) and _is_id(job_id) and _is_id(execution)
