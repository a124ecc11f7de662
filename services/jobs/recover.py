"""Jobs whose worker died: found, and put back into their queue."""

import logging
from collections.abc import Callable
from typing import cast

from redis import Redis
from rq import Queue
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer

from shared.bus.jobs import JobNews, NewsWriter
from shared.bus.keys import Keys
from shared.jobs import JobStatus, kind_of, queue_name, status_of

_log = logging.getLogger(__name__)


class Recovery:
    """Looks through the executions that Redis believes in."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._news = NewsWriter(redis, keys)

    def requeue_dead(self, queue: str, is_dead: Callable[[str], bool]) -> list[str]:
        """Requeue every job of a queue whose worker is dead by its name; their ids.

        A job that was begun uses up one of its attempts and waits for its pause, as after any
        other failure; without attempts left it fails. Raises what redis-py raises.
        """
        rq_queue = Queue(
            queue_name(self._keys, queue), connection=self._redis, serializer=JSONSerializer
        )
        registry = StartedJobRegistry(queue=rq_queue)
        dead = []
        for job_id, execution_id in registry.get_job_and_execution_ids(cleanup=False):
            execution = Execution(execution_id, job_id, self._redis)
            worker = cast("bytes | None", self._redis.hget(execution.key, "worker_name")) or b""
            if is_dead(worker.decode("utf-8", "replace")):
                dead.append(execution)
        if not dead:
            return []
        # An execution that has run out is what RQ itself takes for an abandoned job.
        self._redis.zadd(registry.key, {e.composite_key: 1 for e in dead}, xx=True)
        not_begun = [e for e in dead if self._status(e.job_id) == "queued"]
        registry.cleanup(timestamp=2)
        for execution in not_begun:
            with self._redis.pipeline() as pipe:
                pipe.lrem(rq_queue.intermediate_queue_key, 0, execution.job_id)
                rq_queue.push_job_id(execution.job_id, pipeline=pipe, at_front=True)
                pipe.execute()
        ids = [execution.job_id for execution in dead]
        for job_id in ids:
            self._redis.lrem(rq_queue.intermediate_queue_key, 0, job_id)
            status = self._tell(job_id, "its worker died")
            _log.warning("job %s lost its worker and is %s now", job_id, status)
        return ids

    def correct_news(self) -> None:
        """Open jobs that ended unheard, or are gone. Raises what redis-py raises."""
        raw = cast("dict[bytes, bytes]", self._redis.hgetall(self._keys.jobs_open))
        for name, data in raw.items():
            job_id = name.decode("utf-8", "replace")
            try:
                told = JobNews.from_json(data).status
            except (ValueError, TypeError, KeyError):
                self._redis.hdel(self._keys.jobs_open, name)
                continue
            if status_of(self._status(job_id)) is not told:
                self._tell(job_id)

    def _status(self, job_id: str) -> str:
        value = cast("bytes | None", self._redis.hget(Job.key_for(job_id), "status"))
        return (value or b"").decode("utf-8", "replace")

    def _tell(self, job_id: str, text: str = "") -> JobStatus:
        status = status_of(self._status(job_id))
        self._news.tell(job_id, str(kind_of(job_id) or ""), status, text=text)
        return status
