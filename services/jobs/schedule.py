"""When jobs run by themselves: RQ's cron with what it lacks.

RQ forgets the last run at a restart, runs interval jobs at once on each start, gives every run a
random id and has no lock. Here the last run is in Redis, an id is made of kind and slot so that
the same slot is enqueued once by whomever, and only the holder of a lease calls `turn`. A slot
that was missed is made up for once, however many were missed.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

import orjson
from redis import Redis
from rq import Queue, Retry
from rq.cron import CronJob
from rq.exceptions import DuplicateJobError, NoSuchJobError
from rq.job import Job
from rq.job import JobStatus as RqStatus
from rq.serializers import JSONSerializer

from shared.bus.jobs import NewsWriter
from shared.bus.keys import Keys
from shared.jobs import SPECS, JobStatus, Kind, Spec, job_id, queue_name

_log = logging.getLogger(__name__)

OVER: Final = frozenset({RqStatus.FINISHED, RqStatus.FAILED, RqStatus.STOPPED, RqStatus.CANCELED})


@dataclass(slots=True)
class Record:
    """What Redis remembers of one kind. Times in epoch seconds, 0 for never."""

    last_at: float = 0.0
    last_id: str = ""
    next_at: float = 0.0
    rule: str = ""
    """The cron line, or `every N s`; "" while it does not run by itself."""

    @classmethod
    def parse(cls, data: bytes | None) -> "Record":
        """An unreadable one counts as none."""
        try:
            tree = orjson.loads(data or b"{}")
            return cls(
                float(tree.get("last_at", 0)),
                str(tree.get("last_id", "")),
                float(tree.get("next_at", 0)),
                str(tree.get("rule", "")),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()


class Enqueuer:
    """Puts jobs into their queues, each id once."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._news = NewsWriter(redis, keys)

    def enqueue(self, kind: Kind, slot: str) -> str:
        """The id of the job of this slot, which may have been there already."""
        spec, name = SPECS[kind], job_id(self._keys, kind, slot)
        queue = Queue(
            queue_name(self._keys, spec.queue), connection=self._redis, serializer=JSONSerializer
        )
        with suppress(DuplicateJobError):
            queue.enqueue(str(kind), job_id=name, unique=True, retry=retry_of(spec), **spec.options)
            self._news.tell(name, kind, JobStatus.QUEUED)
        return name

    def ended_at(self, name: str) -> float | None:
        """When this job ended, in epoch seconds; 0 when it is not known any more, None before."""
        try:
            job = Job.fetch(name, connection=self._redis, serializer=JSONSerializer)
        except NoSuchJobError:
            return 0.0
        if job.get_status(refresh=False) not in OVER:
            return None
        return job.ended_at.timestamp() if job.ended_at else 0.0


def retry_of(spec: Spec) -> Retry | None:
    """The form in which RQ wants to know how often and when."""
    return Retry(max=len(spec.retries), interval=list(spec.retries)) if spec.retries else None


class Schedule:
    """Every kind's next run. `turn` is called by one program at a time, about once a second."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._enqueuer = Enqueuer(redis, keys)
        self._crons = {kind: spec.cron for kind, spec in SPECS.items() if spec.cron}
        self._intervals: dict[Kind, float] = {}
        self._records: dict[Kind, Record] = {}
        self._slots: dict[Kind, tuple[float, float]] = {}
        """Last run and the slot after it: to find one costs 0.1 ms, and each turn asks."""

    def set_interval(self, kind: Kind, seconds: float | None, *, now: bool = False) -> None:
        """Run a kind so long after the end of its last run; None: not by itself.

        Args:
            now: the next run is due at once.
        """
        if seconds is None:
            self._intervals.pop(kind, None)
        else:
            self._intervals[kind] = seconds
        if now and kind in self._records:
            self._records[kind].last_id = ""
            self._records[kind].last_at = 0.0

    def take_over(self, now: float) -> None:
        """This program schedules from now on. Raises what redis-py raises."""
        raw = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.jobs_schedule))
        self._records = {kind: Record.parse(raw.get(str(kind).encode())) for kind in Kind}
        for kind in self._crons:
            # What never ran begins with its next slot, not with one of the past.
            self._records[kind].last_at = self._records[kind].last_at or now

    def turn(self, now: float) -> None:
        """Enqueue what is due at `now` (epoch seconds), and remember it."""
        changed: dict[str, bytes] = {}
        for kind, record in self._records.items():
            before = asdict(record)
            self._turn_one(kind, record, now)
            if asdict(record) != before:
                changed[str(kind)] = orjson.dumps(record)
        if changed:
            self._redis.hset(self._keys.jobs_schedule, mapping=cast("dict[Any, Any]", changed))

    def _turn_one(self, kind: Kind, record: Record, now: float) -> None:
        due = self._due(kind, record, now)
        if due is None:
            return
        if now >= due:
            record.last_id = self._enqueuer.enqueue(kind, _slot(due))
            record.last_at = now
            due = self._due(kind, record, now) or 0.0
        record.next_at = due

    def _due(self, kind: Kind, record: Record, now: float) -> float | None:
        """The next slot; None while the last run is not over. 0 in `next_at`: never."""
        if kind in self._crons:
            record.rule = self._crons[kind]
            known, slot = self._slots.get(kind, (-1.0, 0.0))
            if known != record.last_at:
                slot = next_slot(record.rule, record.last_at)
                self._slots[kind] = (record.last_at, slot)
            return slot
        seconds = self._intervals.get(kind)
        if seconds is None:
            record.rule, record.next_at = "", 0.0
            return None
        record.rule = f"every {seconds:g} s"
        if not record.last_id:
            return record.last_at + seconds if record.last_at else now
        ended = self._enqueuer.ended_at(record.last_id)
        if ended is None:
            record.next_at = 0.0
            return None
        return max(ended, record.last_at) + seconds if ended else record.last_at + seconds


def next_slot(cron: str, after: float) -> float:
    """The first time after `after` that a cron line names, in local time; epoch seconds."""
    job = CronJob(queue_name="", func_name="slot", cron=cron)
    job.set_enqueue_time(datetime.fromtimestamp(after, UTC))
    return job.get_next_enqueue_time().timestamp()


def _slot(at: float) -> str:
    """A slot in an id: UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y%m%dT%H%M%S}-{int(at * 1000) % 1000:03}"


def move_due_retries(redis: Redis, keys: Keys, queues: Iterable[str], news: NewsWriter) -> int:
    """Jobs whose next attempt is due go back into their queues; how many did."""
    moved = 0
    for name in queues:
        queue = Queue(queue_name(keys, name), connection=redis, serializer=JSONSerializer)
        registry = queue.scheduled_job_registry
        ids = registry.get_jobs_to_schedule()
        for due, job in zip(
            ids, Job.fetch_many(ids, connection=redis, serializer=JSONSerializer), strict=True
        ):
            with redis.pipeline() as pipe:
                if job is not None:
                    queue.enqueue_job(job, pipeline=pipe)
                registry.remove(due, pipeline=pipe)
                pipe.execute()
            if job is not None:
                moved += 1
                news.tell(job.id, str(job.func_name)[:80], JobStatus.QUEUED)
    return moved
