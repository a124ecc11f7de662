"""News of jobs: who changed what, as an event and as a level."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import orjson
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.bus.scripts import JOB_NEWS
from shared.jobs import OPEN, RQ_JOB, JobStatus, status_of

PROGRAM_LOST_S = 10.0
"""A jobs program whose last heartbeat is older is not there."""


@dataclass(frozen=True, slots=True)
class JobNews:
    """One change of a job. `done` of `total` steps, both 0 where nobody counts; `text` says what.

    `at` in epoch seconds.
    """

    id: str
    kind: str
    status: JobStatus
    at: float
    done: int = 0
    total: int = 0
    text: str = ""

    @property
    def open(self) -> bool:
        """Whether more is to come."""
        return self.status in OPEN

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> "JobNews":
        """Raises `ValueError`, `TypeError` or `KeyError` for what is none."""
        tree = orjson.loads(data)
        return cls(
            id=str(tree["id"]),
            kind=str(tree["kind"]),
            status=JobStatus(tree["status"]),
            at=float(tree["at"]),
            done=int(tree.get("done", 0)),
            total=int(tree.get("total", 0)),
            text=str(tree.get("text", "")),
        )


class NewsWriter:
    """Tells of changes. For programs and threads without an event loop."""

    def __init__(self, redis: BlockingRedis, keys: Keys) -> None:
        self._keys = keys
        self._script = redis.register_script(JOB_NEWS)

    def tell(
        self,
        job_id: str,
        kind: str,
        status: JobStatus,
        *,
        done: int = 0,
        total: int = 0,
        text: str = "",
    ) -> None:
        """Raises what redis-py raises."""
        news = JobNews(job_id, kind, status, time.time(), done, total, text)
        self._script(
            keys=[self._keys.jobs_open],
            args=[self._keys.jobs, job_id, news.to_json(), "1" if news.open else "0"],
        )


async def read_open_jobs(redis: Redis, keys: Keys) -> dict[str, JobNews]:
    """The last news of every job that is not over; entries that are none are left out."""
    raw = cast("Mapping[bytes, bytes]", await redis.hgetall(keys.jobs_open))
    found = {}
    for value in raw.values():
        try:
            news = JobNews.from_json(value)
        except (ValueError, TypeError, KeyError):
            continue
        found[news.id] = news
    return found


async def read_job_end(redis: Redis, known: JobNews) -> JobNews:
    """How a job ended of whose end nobody heard. RQ's own hash says it, while it is kept."""
    raw = cast("bytes | None", await redis.hget(f"{RQ_JOB}{known.id}", "status"))
    status = status_of(raw.decode("utf-8", "replace")) if raw else JobStatus.FINISHED
    return replace(known, status=status, at=time.time(), text="")


def live_programs(raw: Mapping[bytes, bytes], now: float) -> dict[str, dict[str, Any]]:
    """Jobs programs that are there, by id. `now` is Redis' own clock, in epoch seconds."""
    found = {}
    for program, value in raw.items():
        try:
            info = orjson.loads(value)
            fresh = now - float(info["heartbeat_at"]) <= PROGRAM_LOST_S
        except (ValueError, TypeError, KeyError):
            continue
        if fresh:
            found[program.decode("utf-8", "replace")] = info
    return found
