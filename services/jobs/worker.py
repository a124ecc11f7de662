"""One worker process: takes jobs from one queue, runs each in a process of its own.

One queue only: from a single one RQ moves a job to a list of jobs under way, so that a worker
which is killed between taking and starting it loses nothing (from several it just pops).
"""

import ctypes
import logging
import os
import signal
from typing import Any, Final, cast

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job
from rq.job import JobStatus as RqStatus
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from services.jobs.job import AllowedJob, Function
from services.jobs.sweep import sweep
from shared.bus.client import blocking_client
from shared.bus.jobs import NewsWriter
from shared.bus.keys import Keys
from shared.bus.log_level import obey
from shared.jobs import JobStatus, kind_of, queue_name
from shared.redaction import redact_text
from shared.settings import Settings

_log = logging.getLogger(__name__)

WORKER_TTL_S: Final = 60
MAINTENANCE_S: Final = 60
MONITOR_S: Final = 10
PR_SET_PDEATHSIG: Final = 1
ERROR_CHARS: Final = 4000


class JobWorker(Worker):
    """RQ's worker, which tells of every change, and whose job does not outlive it."""

    max_connection_wait_time = 2.0

    def __init__(
        self, queue: Queue, name: str, job_class: type[AllowedJob], settings: Settings
    ) -> None:
        keys = Keys(settings.redis_prefix)
        super().__init__(
            [queue],
            name=name,
            connection=queue.connection,
            job_class=job_class,
            serializer=JSONSerializer,
            worker_ttl=WORKER_TTL_S,
            maintenance_interval=MAINTENANCE_S,
            job_monitoring_interval=MONITOR_S,
            log_job_description=False,
        )
        self.log_result_lifespan = False
        self._news = NewsWriter(queue.connection, keys)
        self._counters = keys.jobs_counters
        self._log_level = keys.log_level
        self._settings = settings

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        self._parent = os.getpid()
        self._obey()
        super().fork_work_horse(job, queue)

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        # Without this a job goes on after its worker was killed, beside its own second run.
        die_with(self._parent)
        super().main_work_horse(job, queue)

    def prepare_job_execution(self, job: Job, remove_from_intermediate_queue: bool = False) -> None:
        super().prepare_job_execution(job, remove_from_intermediate_queue)
        self._tell(job, JobStatus.RUNNING)

    def handle_job_success(self, job: Job, *args: Any, **kwargs: Any) -> None:
        super().handle_job_success(job, *args, **kwargs)
        self._tell(job, JobStatus.FINISHED)

    def handle_job_failure(
        self,
        job: Job,
        queue: Queue,
        started_job_registry: StartedJobRegistry | None = None,
        exc_string: str = "",
        execution: Execution | None = None,
    ) -> None:
        """What is kept of an error holds no secret, and says in its last line what happened."""
        text = redact_text(exc_string)[-ERROR_CHARS:]
        super().handle_job_failure(job, queue, started_job_registry, text, execution)
        status = job.get_status(refresh=False)
        last = text.strip().rpartition("\n")[2]
        if status == RqStatus.STOPPED:
            self._tell(job, JobStatus.CANCELLED, "stopped")
        elif status in {RqStatus.SCHEDULED, RqStatus.QUEUED}:
            _log.warning("job %s failed and is tried again: %s", job.id, last)
            self._tell(job, JobStatus(status.value), last)
        else:
            _log.error("job %s failed: %s", job.id, last)
            self._tell(job, JobStatus.FAILED, last)

    def handle_exception(self, job: Job, *exc_info: Any) -> None:
        """`handle_job_failure` says it, in one line."""

    def _obey(self) -> None:
        """A job says as much as is wanted when it begins."""
        try:
            obey(cast("bytes | None", self.connection.get(self._log_level)), self._settings)
        except (RedisError, OSError) as error:
            _log.debug("the log level could not be read: %s", error)

    def _tell(self, job: Job, status: JobStatus, text: str = "") -> None:
        kind = kind_of(job.id) or "unknown"
        try:
            self._news.tell(job.id, kind, status, text=text[:500])
            self.connection.hincrby(self._counters, f"{status}:{kind}", 1)
        except (RedisError, OSError) as error:
            _log.debug("news of %s was not told: %s", job.id, error)


def run_worker(
    settings: Settings, queue: str, name: str, functions: dict[str, Function], keeper: int
) -> int:
    """Work until SIGTERM, which lets the job under way end. The exit code.

    Args:
        keeper: pid of the process that looks after this one; the worker ends with it.
    """
    die_with(keeper)
    keys = Keys(settings.redis_prefix)
    redis = blocking_client(settings.redis_url, name)
    job_class = AllowedJob.bind(functions, settings)
    rq_queue = Queue(
        queue_name(keys, queue), connection=redis, job_class=job_class, serializer=JSONSerializer
    )
    try:
        sweep(redis, keys, queue)
        JobWorker(rq_queue, name, job_class, settings).work(logging_level=None)
    except (RedisError, OSError) as error:
        _log.warning("worker %s ends: Redis: %s", name, error)
        return 1
    return 0


def die_with(parent: int) -> None:
    """From now on SIGKILL comes when `parent`, which forked this process, is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
