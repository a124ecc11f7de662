"""Answers about background jobs, as the OpenAPI page shows them."""

from typing import Any

from pydantic import BaseModel, Field


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
    """`status`: queued, scheduled (for its next attempt), running, finished, failed, cancelled."""

    id: str
    kind: str | None
    title: str
    status: str
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
