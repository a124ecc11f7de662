"""Background jobs, seen and moved from the API. The one module here that knows RQ.

RQ talks to Redis synchronously, so everything runs in two threads of its own.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

import orjson
from rq import Queue, Retry
from rq.command import send_stop_job_command
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.job import JobStatus as RqStatus
from rq.registry import CanceledJobRegistry
from rq.serializers import JSONSerializer

from shared.bus.client import blocking_client
from shared.bus.jobs import JobNews, NewsWriter, live_programs
from shared.bus.keys import Keys
from shared.bus.refusals import require_changes_blocking
from shared.errors import DumbError
from shared.jobs import (
    ID_PATTERN,
    OPEN,
    QUEUES,
    SPECS,
    JobStatus,
    Kind,
    job_id,
    kind_of,
    queue_name,
    status_of,
)

T = TypeVar("T")

THREADS: Final = 2
ENDED_SHOWN: Final = 100
"""Of each queue and outcome, the youngest."""


class UnknownJobError(DumbError):
    """No job has this id, any more or ever."""

    code = "unknown_job"


class JobStateError(DumbError):
    """The job is not in a state in which that can be done."""

    code = "job_state"


class JobsAwayError(DumbError):
    """No jobs program is there to do it."""

    code = "jobs_away"


class JobDesk:
    """One per replica. Every method raises what redis-py raises while Redis is away."""

    def __init__(self, redis_url: str, keys: Keys) -> None:
        self._redis = blocking_client(redis_url, "dumb-api-jobs", THREADS)
        self._keys = keys
        self._news = NewsWriter(self._redis, keys)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="jobs")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._redis.close()

    async def overview(self, limit: int, wanted: JobStatus | None) -> dict[str, Any]:
        """Programs, schedule, and at most `limit` jobs, the youngest first."""
        return await self._in_thread(partial(self._overview, limit, wanted))

    async def one(self, name: str) -> dict[str, Any]:
        """One job with its result. Raises `UnknownJobError`."""
        return await self._in_thread(lambda: self._shown(self._fetch(name), whole=True))

    async def enqueue(self, kind: Kind) -> str:
        """Have it done soon; the id of the job, or of one that waits already.

        Raises:
            JobsAwayError: nobody would do it.
        """
        return await self._in_thread(partial(self._enqueue, kind))

    async def cancel(self, name: str) -> dict[str, Any]:
        """Take it out of its queue, or stop it. Raises `UnknownJobError`, `JobStateError`."""
        return await self._in_thread(partial(self._cancel, name))

    async def retry(self, name: str) -> dict[str, Any]:
        """Queue a failed or cancelled one again. Raises `UnknownJobError`, `JobStateError`."""
        return await self._in_thread(partial(self._retry, name))

    # -- in a thread --------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _queue(self, name: str) -> Queue:
        full = queue_name(self._keys, name)
        return Queue(full, connection=self._redis, serializer=JSONSerializer)

    def _fetch(self, name: str) -> Job:
        if not ID_PATTERN.fullmatch(name):
            raise UnknownJobError(f"No job has the id '{name[:128]}'.")
        try:
            job = Job.fetch(name, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            raise UnknownJobError(f"No job has the id '{name}' (any more).") from None
        if job.origin not in {queue_name(self._keys, queue) for queue in QUEUES}:
            raise UnknownJobError(f"No job has the id '{name}'.")
        return job

    def _fetch_all(self, ids: list[str]) -> list[Job]:
        """Those that can be read, at once where all can."""
        options: dict[str, Any] = {"connection": self._redis, "serializer": JSONSerializer}
        try:
            return [job for job in Job.fetch_many(ids, **options) if job is not None]
        except (NoSuchJobError, ValueError):
            found = []
            for name in ids:
                with suppress(NoSuchJobError, ValueError):
                    found.append(Job.fetch(name, **options))
            return found

    def _overview(self, limit: int, wanted: JobStatus | None) -> dict[str, Any]:
        ids: set[str] = set()
        for name in QUEUES:
            ids.update(_ids(self._queue(name)))
        shown = [self._shown(job) for job in self._fetch_all(sorted(ids))]
        shown = [entry for entry in shown if wanted is None or entry["status"] == wanted]
        shown.sort(key=lambda entry: entry["started_at"] or entry["queued_at"] or 0.0, reverse=True)
        return {
            "programs": self._programs(),
            "schedule": self._schedule(),
            "jobs": shown[:limit],
        }

    def _programs(self) -> list[dict[str, Any]]:
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(self._keys.jobs_programs)
            pipe.get(self._keys.jobs_lease)
            (seconds, micros), raw, holder = pipe.execute()
        alive = live_programs(raw, seconds + micros / 1e6)
        scheduler = (holder or b"").decode("utf-8", "replace")
        return [{"id": k, **v, "schedules": k == scheduler} for k, v in sorted(alive.items())]

    def _schedule(self) -> list[dict[str, Any]]:
        raw = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.jobs_schedule))
        found = []
        for kind, spec in SPECS.items():
            try:
                tree = orjson.loads(raw.get(str(kind).encode(), b"{}"))
            except ValueError:
                tree = {}
            rule = tree.get("rule") or spec.cron
            if rule:
                found.append(
                    {
                        "kind": kind,
                        "title": spec.title,
                        "rule": rule,
                        "next_at": tree.get("next_at") or None,
                        # Of what never ran it is when the counting began.
                        "last_at": (tree.get("last_id") and tree.get("last_at")) or None,
                        "last_id": tree.get("last_id") or None,
                    }
                )
        return found

    def _shown(self, job: Job, *, whole: bool = False) -> dict[str, Any]:
        kind, status = kind_of(job.id), status_of(job.get_status(refresh=False))
        tree: dict[str, Any] = {
            "id": job.id,
            "kind": kind,
            "title": SPECS[kind].title if kind else "",
            "status": status,
            "queued_at": _epoch(job.enqueued_at),
            "started_at": _epoch(job.started_at),
            "finished_at": _epoch(job.ended_at) if status not in OPEN else None,
            "attempts_left": job.retries_left or 0,
            "timeout_s": job.timeout,
            "worker": job.worker_name or None,
        }
        if whole:
            latest = job.latest_result() if status is not JobStatus.QUEUED else None
            error = (latest.exc_string or "") if latest else ""
            tree["error"] = error.strip().rpartition("\n")[2][:1000] or None
            tree["result"] = latest.return_value if latest and not error else None
            tree["progress"] = self._progress(job.id)
        return tree

    def _progress(self, name: str) -> dict[str, Any] | None:
        data = cast("bytes | None", self._redis.hget(self._keys.jobs_open, name))
        try:
            news = JobNews.from_json(data or b"")
        except (ValueError, TypeError, KeyError):
            return None
        return {"at": news.at, "done": news.done, "total": news.total, "text": news.text}

    def _enqueue(self, kind: Kind) -> str:
        if not self._programs():
            require_changes_blocking(self._redis, self._keys)
            raise JobsAwayError(
                "The jobs program is not running, so nobody would do this: start it with `dumb up`."
            )
        spec = SPECS[kind]
        queue = self._queue(spec.queue)
        names = (
            entry.decode("utf-8", "replace")
            for entry in cast("list[bytes]", self._redis.lrange(queue.key, 0, -1))
        )
        waiting = next((name for name in names if kind_of(name) is kind), None)
        if waiting is not None:
            return waiting
        name = job_id(self._keys, kind, f"asked-{time.time_ns() // 1_000_000}")
        retry = Retry(max=len(spec.retries), interval=list(spec.retries)) if spec.retries else None
        with suppress(DuplicateJobError):
            queue.enqueue(str(kind), job_id=name, unique=True, retry=retry, **spec.options)
            self._news.tell(name, kind, JobStatus.QUEUED)
        return name

    def _cancel(self, name: str) -> dict[str, Any]:
        job = self._fetch(name)
        status = status_of(job.get_status(refresh=False))
        if status not in OPEN:
            raise JobStateError(f"'{name}' is {status} already.")
        try:
            if status is JobStatus.RUNNING:
                send_stop_job_command(self._redis, name, serializer=JSONSerializer)
            else:
                job.cancel()
                self._news.tell(name, kind_of(name) or "", JobStatus.CANCELLED)
        except InvalidJobOperation:
            raise JobStateError(f"'{name}' has just ended.") from None
        return self._shown(self._fetch(name))

    def _retry(self, name: str) -> dict[str, Any]:
        job, kind = self._fetch(name), kind_of(name)
        raw = job.get_status(refresh=False)
        if raw not in {RqStatus.FAILED, RqStatus.STOPPED, RqStatus.CANCELED}:
            raise JobStateError(f"'{name}' is {status_of(raw)}: only a failed job is tried again.")
        pauses = list(SPECS[kind].retries) if kind else []
        job.retries_left, job.retry_intervals = len(pauses), pauses or None
        try:
            if raw == RqStatus.CANCELED:
                CanceledJobRegistry(
                    job.origin, connection=self._redis, serializer=JSONSerializer
                ).requeue(job)
            else:
                job.requeue()
        except InvalidJobOperation:
            raise JobStateError(f"'{name}' is being tried again already.") from None
        self._news.tell(name, kind or "", JobStatus.QUEUED)
        return self._shown(self._fetch(name))


def _ids(queue: Queue) -> Iterable[str]:
    """Of every job that waits or runs, and the youngest of those that ended; garbage left out."""
    redis = queue.connection
    with redis.pipeline(transaction=False) as pipe:
        pipe.lrange(queue.key, 0, -1)
        pipe.zrange(queue.started_job_registry.key, 0, -1)
        pipe.zrange(queue.scheduled_job_registry.key, 0, -1)
        for registry in (
            queue.finished_job_registry,
            queue.failed_job_registry,
            queue.canceled_job_registry,
        ):
            pipe.zrange(registry.key, 0, ENDED_SHOWN - 1, desc=True)
        entries = [entry for part in pipe.execute() for entry in part]
    for entry in entries:
        # One that runs stands there with the id of its execution.
        name = entry.decode("utf-8", "replace").partition(":")[0]
        if ID_PATTERN.fullmatch(name):
            yield name


def _epoch(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
