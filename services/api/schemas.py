"""Bodies of requests, and of answers as the OpenAPI page shows them."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.judgement import Verdict
from shared.models.command import CommandStatus
from shared.models.service import ServiceState
from shared.models.startup import Phase
from shared.states import ServiceStatus

HealthWord = Literal["healthy", "degraded", "starting", "unhealthy"]


class ServiceRequest(BaseModel):
    """Which service. Unknown keys are ignored."""

    process_name: str = Field(description="Exactly as configured", examples=["Demo File Server"])
    protection_override: str | None = Field(
        default=None, description="Accepted for compatibility; nothing is protected"
    )


class Problem(BaseModel):
    """Every error but 422."""

    detail: str


class Queued(BaseModel):
    """202: the command was taken in and goes on without this request."""

    id: str
    status: CommandStatus
    action: str
    process_name: str


class Started(BaseModel):
    """The outcome of a start."""

    status: str
    process_name: str


class Stopped(Started):
    """The outcome of a stop or a restart."""

    media_protection: dict[str, Any]


class StopDone(Stopped):
    """The outcome of a stop."""

    needed_by: list[str] | None = Field(
        default=None, description="Services that need the stopped one; absent when none does"
    )


class Step(BaseModel):
    """One step of a command; `at` in epoch seconds."""

    at: float
    what: str


class CommandReceipt(BaseModel):
    """What became of a command. Times in epoch seconds."""

    id: str
    action: str
    process_name: str
    actor: str
    source: str
    status: CommandStatus
    detail: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    steps: list[Step]
    result: dict[str, Any] | None


class CommandReceipts(BaseModel):
    """The newest first."""

    commands: list[CommandReceipt]


class AuditEntryBody(BaseModel):
    """Who did what. `at` in epoch seconds; `command` is the id of a receipt, or empty."""

    id: str
    at: float
    actor: str
    source: str
    action: str
    target: str
    outcome: str
    command: str


class AuditTrail(BaseModel):
    """The newest first."""

    entries: list[AuditEntryBody]


class JudgementBody(BaseModel):
    """Whether a service is as it should be (docs/protocol.md, "Judgement")."""

    verdict: Verdict
    reason: str = Field(description="A sentence for people")
    since: float | None = Field(description="Epoch seconds; null when unknown")
    advice: str = Field(description="What to do; empty when nothing is")


@dataclass(frozen=True, slots=True)
class JudgedState(ServiceState):
    """Every field of `dumb:service:<name>` (docs/protocol.md), and what they amount to."""

    judgement: JudgementBody | None = None


class ServiceStates(BaseModel):
    """In the order of the file."""

    services: list[JudgedState]


class Standing(BaseModel):
    """Whether a service lives, and what stands beside that: alive is not ready."""

    status: Literal["running", "stopped"] = Field(
        description="`running` from the exit window on, while the process lives"
    )
    state: ServiceStatus = Field(description="Where it is; `status` only says whether it lives")
    ready: bool = Field(description="It can be used, or has done its work")
    waiting_for: str | None = Field(description="What has to be there before it starts or is ready")
    last_failure_reason: str | None = Field(
        description="Why the last start failed; null after one that succeeded"
    )


class ServiceStatusBody(Standing):
    """From `healthy` on only with `include_health`; `schedule` only of a service that has one."""

    process_name: str
    healthy: bool | None = None
    health_status: HealthWord | None = None
    health_reason: str | None = None
    health_details: dict[str, Any] | None = None
    restart: dict[str, Any] | None = None
    judgement: JudgementBody | None = None
    schedule: dict[str, Any] | None = Field(
        default=None, description="`next_run_at`, and `note`: what was skipped last"
    )


class ProcessEntry(Standing):
    """One configured service."""

    name: str
    process_name: str
    enabled: bool
    config: dict[str, Any]
    log_captured: bool = Field(
        description="`config.log_file` is no setting, but the log that is captured"
    )
    version: str | None
    key: str
    config_key: str
    repo_url: str | None
    sponsorship_url: str | None
    supports_manual_update: bool
    update_status: dict[str, Any] | None
    install_info: dict[str, Any] | None


class ProcessList(BaseModel):
    """All configured services, in the order of the file."""

    processes: list[ProcessEntry]


class ProcessDetails(BaseModel):
    """One configured service."""

    process_name: str
    config: dict[str, Any]
    log_captured: bool = Field(
        description="`config.log_file` is no setting, but the log that is captured"
    )
    version: str | None
    config_key: str
    update_status: dict[str, Any] | None
    symlink_backup_status: dict[str, Any] | None
    supports_manual_update: bool
    repo_url: str | None
    sponsorship_url: str | None
    install_info: dict[str, Any] | None


class LogAnswer(BaseModel):
    """Whole lines of a log. `cursor` and `size` are byte offsets."""

    process_name: str
    size: int
    cursor: int
    chunk: str
    reset: bool
    file_id: str | None
    log: str | None


class Onboarding(BaseModel):
    """Whether the first-run wizard is still due."""

    needs_onboarding: bool


class Health(BaseModel):
    """`details` only when unhealthy."""

    status: Literal["healthy", "unhealthy"]
    details: str | None = None


class Probe(BaseModel):
    """For load balancers. `missing` only with 503."""

    status: str
    missing: list[str] | None = None
    reason: str | None = Field(default=None, description="What Redis says, when it refuses")


class StartupStatus(BaseModel):
    """How the boot goes. Times in epoch seconds."""

    phase: Phase
    terminal: bool = Field(description="The boot is over")
    reason: str = Field(description="What it waits for, or why it is degraded")
    started_at: float
    completed_at: float | None
    expected_services: list[str]
    services: dict[str, dict[str, Any]] = Field(
        description="`state` (pending, starting, ready, failed), `reason`, and health if it runs"
    )
    failures: dict[str, str]
