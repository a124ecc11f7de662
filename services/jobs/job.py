"""RQ's job with the doors closed: who may write to Redis cannot choose what runs here.

RQ imports whatever function, callback or class a job's hash names, and calls the webhooks in it.
Here a name is looked up in a table that the program was built with; the rest is ignored.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from redis import Redis
from rq.job import Job

from shared.bus.jobs import NewsWriter
from shared.bus.keys import Keys
from shared.errors import DumbError
from shared.jobs import JobStatus, Kind
from shared.settings import Settings

PROGRESS_EVERY_S = 0.5


class NotAllowedError(DumbError):
    """Somebody enqueued something that this program has no function for."""

    code = "job_not_allowed"


@dataclass(slots=True)
class JobRun:
    """What a job's function is given: where it is, and how it says how far it is."""

    id: str
    kind: Kind
    settings: Settings
    keys: Keys
    redis: Redis
    log: logging.Logger
    _told: float = float("-inf")

    @property
    def data_dir(self) -> Path:
        """Where jobs keep files."""
        return self.settings.home / "jobs"

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Tell whoever watches, at most twice a second. Never raises: it is only a report."""
        now = time.monotonic()
        if now - self._told < PROGRESS_EVERY_S and done < total:
            return
        self._told = now
        try:
            NewsWriter(self.redis, self.keys).tell(
                self.id, self.kind, JobStatus.RUNNING, done=done, total=total, text=text
            )
        except OSError as error:
            self.log.debug("progress of %s was not told: %s", self.id, error)


Function = Callable[[JobRun], Any]
"""What it returns becomes the job's result, as JSON."""


class AllowedJob(Job):
    """A job whose function comes from `allowed`. Made usable by `bind`."""

    allowed: ClassVar[Mapping[str, Function]] = {}
    settings: ClassVar[Settings]

    @classmethod
    def bind(cls, allowed: Mapping[str, Function], settings: Settings) -> "type[AllowedJob]":
        """The class that a worker uses: RQ makes jobs from classes, so the table goes there."""
        return type("BoundJob", (cls,), {"allowed": dict(allowed), "settings": settings})

    @property
    def func(self) -> Function:
        """The function. Raises `NotAllowedError`."""
        found = self.allowed.get(str(self.func_name))
        if found is None:
            raise NotAllowedError(f"'{str(self.func_name)[:80]}' is no job of this program.")
        return found

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, status: Any, *, exc_string: str | None = None) -> None:
        """Nobody is called."""

    def _execute(self) -> Any:
        function, kind = self.func, Kind(str(self.func_name))
        keys = Keys(self.settings.redis_prefix)
        log = logging.getLogger(f"services.jobs.{kind}")
        return function(JobRun(self.id, kind, self.settings, keys, self.connection, log))
