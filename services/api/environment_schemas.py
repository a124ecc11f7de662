"""The answer of `GET /environment`, as the OpenAPI document shows it."""

from typing import Any

from pydantic import BaseModel, Field


class ApiFacts(BaseModel):
    """The replica that answers, and how many there are (null: Redis does not say)."""

    version: str
    python: str
    platform: str
    node: str
    pid: int
    replicas: int | None


class RedisFacts(BaseModel):
    """The broker."""

    version: str
    mode: str | None
    memory_bytes: int | None
    clients: int | None
    persistence: bool
    uptime_s: int | None


class DiskFacts(BaseModel):
    """One directory of the supervisor. Sizes in bytes; `problem` instead where it is unreadable."""

    path: str
    total: int | None = None
    free: int | None = None
    problem: str | None = None


class SupervisorFacts(BaseModel):
    """What the supervisor runs on. Everything but `heartbeat` is absent before its first word."""

    heartbeat: dict[str, str] = Field(description="As `dumb:supervisor`; empty: it is away")
    version: str | None = None
    python: str | None = None
    executable: str | None = None
    platform: str | None = None
    node: str | None = None
    user: int | None = None
    container: str | None = None
    cgroup: dict[str, str] | None = None
    cpus: int | None = None
    time_zone: str | None = None
    home: str | None = None
    config_path: str | None = None
    disks: list[DiskFacts] | None = None
    environment: dict[str, Any] | None = Field(default=None, description="Secrets as `***`")


class ConfigFacts(BaseModel):
    """The configuration in force. `problem`: why the file on disk is refused."""

    version: str | None = None
    overridden: dict[str, Any] | None = None
    problem: str | None
    warnings: list[Any]


class CheckBody(BaseModel):
    """One check of `dumb doctor`. With `advice` and `ok` it is no problem, and worth a look."""

    name: str
    ok: bool
    detail: str
    advice: str


class Environment(BaseModel):
    """What runs where, and whether it is well."""

    api: ApiFacts
    redis: RedisFacts
    supervisor: SupervisorFacts
    config: ConfigFacts
    services: dict[str, int] = Field(description="How many services are in each state")
    checks: list[CheckBody]
    ok: bool
