"""Answers about background jobs, as the OpenAPI page shows them."""

from typing import Any

from pydantic import BaseModel, Field

from shared.jobs import JobStatus


class Worker(BaseModel):
    """One worker process."""

    name: str
    queue: str
    pid: int


class JobsProgram(BaseModel):
    """A jobs program that is there. One of them `schedules`."""

    id: str
    node: str
    pid: int
    version: str
    started_at: float
    heartbeat_at: float
    schedules: bool
    workers: list[Worker]


class ScheduledRun(BaseModel):
    """A kind of job that runs by itself; `next_at` null while its last run is not over."""

    kind: str
    title: str
    rule: str = Field(description="A cron line in local time, or `every N s`")
    next_at: float | None
    last_at: float | None
    last_id: str | None


class Job(BaseModel):
    """One job. `scheduled`: it waits for its next attempt."""

    id: str
    kind: str | None
    title: str
    status: JobStatus
    queued_at: float | None
    started_at: float | None
    finished_at: float | None
    attempts_left: int
    timeout_s: int | None
    worker: str | None


class JobDetails(Job):
    """`progress`: `{at, done, total, text}` while it runs."""

    error: str | None
    result: Any
    progress: dict[str, Any] | None


class Jobs(BaseModel):
    """All about background work."""

    programs: list[JobsProgram]
    schedule: list[ScheduledRun]
    jobs: list[Job]


class QueuedJob(BaseModel):
    """202: a job that goes on without this request."""

    id: str
    status: str


class SeerrStatus(BaseModel):
    """`status`: disabled, initializing (with `message`, until a cycle has ended) or active."""

    enabled: bool
    status: str
    message: str = ""
    last_poll: str | None = None
    next_poll: str | None = None
    poll_interval_seconds: int = 0
    total_requests_tracked: int = 0
    total_failed: int = 0
    subordinates: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="`synced`, and `failed` when there are some, by label"
    )
    problem: str | None = Field(default=None, description="Why the last cycle did nothing")


class FailedRequest(BaseModel):
    """One title that is not as it should be at one subordinate."""

    fingerprint: str
    subordinate: str
    media_type: str | None
    tmdb_id: int | None
    error: str | None
    failed_at: str | None


class FailedRequests(BaseModel):
    count: int
    failed_requests: list[FailedRequest]


class ClearedFailures(BaseModel):
    message: str
    cleared: int


class ConnectionTest(BaseModel):
    """A Seerr that somebody wants to add."""

    url: str = Field(examples=["http://192.168.1.20:5055"])
    api_key: str


class ConnectionTested(BaseModel):
    """`status`: what the Seerr says of itself."""

    ok: bool
    status: Any


class SeerrPlan(BaseModel):
    """`subordinates`: label to titles by what would be done, and `counts`."""

    job_id: str
    requests: int
    subordinates: dict[str, dict[str, Any]]
