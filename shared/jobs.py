"""Background jobs by name: how long each may take, how often it is tried, when it runs.

Pure vocabulary: the API enqueues them, the jobs program runs them, and no job takes arguments.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.bus.keys import Keys

MINUTE: Final = 60
DAY: Final = 24 * 60 * MINUTE
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
FAILURE_KEPT_S: Final = 7 * DAY


class Kind(StrEnum):
    """Every job there is. The value is the name that Redis and the API know it by."""

    SEERR_SYNC = "seerr-sync"
    SEERR_PLAN = "seerr-plan"
    SEERR_MIRROR = "seerr-mirror"
    CONFIG_SNAPSHOT = "config-snapshot"
    LOG_RETENTION = "log-retention"
    HISTORY_CHECK = "history-check"
    SESSION_CLEANUP = "session-cleanup"


class JobStatus(StrEnum):
    """What a client sees. `scheduled` waits for its next attempt."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN: Final = frozenset({JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.RUNNING})
"""Of a job that is not over."""

RQ_JOB: Final = "rq:job:"
"""Where RQ keeps a job."""

_OF_RQ: Final = {
    "created": JobStatus.QUEUED,
    "queued": JobStatus.QUEUED,
    "deferred": JobStatus.QUEUED,
    "scheduled": JobStatus.SCHEDULED,
    "started": JobStatus.RUNNING,
    "finished": JobStatus.FINISHED,
    "failed": JobStatus.FAILED,
    "stopped": JobStatus.CANCELLED,
    "canceled": JobStatus.CANCELLED,
}


def status_of(rq_status: str) -> JobStatus:
    """Our word for RQ's; an unknown one counts as failed, for nobody works on such a job."""
    return _OF_RQ.get(rq_status, JobStatus.FAILED)


QUICK: Final = "quick"
LONG: Final = "long"
"""The two queues: what a person waits for never stands behind what takes minutes."""
QUEUES: Final = (QUICK, LONG)


@dataclass(frozen=True, slots=True)
class Spec:
    """Times in seconds. `retries`: the pauses before the second, third … attempt.

    `cron`: when it runs by itself, in local time; "" for never, or as its own rule says.
    """

    title: str
    queue: str
    timeout_s: int
    retries: tuple[int, ...]
    kept_s: int
    cron: str = ""

    @property
    def options(self) -> dict[str, Any]:
        """What both sides tell RQ when they enqueue it."""
        return {
            "job_timeout": self.timeout_s,
            "result_ttl": self.kept_s,
            "failure_ttl": FAILURE_KEPT_S,
            "description": self.title,
        }


_NIGHTLY: Final = (60, 300, 900)

SPECS: Final[Mapping[Kind, Spec]] = {
    Kind.SEERR_SYNC: Spec(
        "Copy requests from the primary Seerr to the others", LONG, 900, (5, 30, 60), 3600
    ),
    Kind.SEERR_PLAN: Spec("What the next Seerr sync would do", QUICK, 300, (), 900),
    Kind.SEERR_MIRROR: Spec(
        "Write seerr_sync_state.json", QUICK, MINUTE, (5, 30, 300), 900, "*/10 * * * *"
    ),
    Kind.CONFIG_SNAPSHOT: Spec(
        "Keep a copy of the configuration file", LONG, MINUTE, _NIGHTLY, 7 * DAY, "10 3 * * *"
    ),
    Kind.LOG_RETENTION: Spec(
        "Drop logs of services that are gone", LONG, 300, _NIGHTLY, 7 * DAY, "20 3 * * *"
    ),
    Kind.HISTORY_CHECK: Spec(
        "Check the history of metrics", LONG, MINUTE, _NIGHTLY, DAY, "40 * * * *"
    ),
    Kind.SESSION_CLEANUP: Spec(
        "Drop logins that are over", LONG, 300, _NIGHTLY, 7 * DAY, "30 3 * * *"
    ),
}


def queue_name(keys: Keys, queue: str) -> str:
    """RQ's own keys have a fixed prefix, so ours goes into the name of the queue."""
    return f"{keys.prefix}{queue}"


def job_id(keys: Keys, kind: Kind, slot: str) -> str:
    """RQ takes letters, digits, `-` and `_`. One slot has one id, whoever enqueues it."""
    scope = "" if keys.prefix == "dumb:" else f"{keys.prefix.encode().hex()}-"
    return f"{scope}{kind}-{slot}"


def kind_of(job_id: str) -> Kind | None:
    """The kind in an id that `job_id` made."""
    return next((kind for kind in Kind if f"{kind}-" in job_id), None)
