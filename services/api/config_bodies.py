"""Bodies of `/config`, and what its answers look like on the OpenAPI page."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Configuration(BaseModel):
    """The document, or one service's block: its schema is `GET /config/schema`.

    With `sources=1` it stands under `config`, beside where its values come from.
    """

    model_config = ConfigDict(extra="allow")

    puid: int | None = Field(default=None, description="The user that services run as")
    pgid: int | None = None
    tz: str | None = Field(default=None, description="Time zone of services and schedules")
    data_root: str | None = None
    dumb: dict[str, Any] | None = Field(default=None, description="The control plane itself")
    process_name: str | None = Field(default=None, description="Of one service's block")
    enabled: bool | None = Field(default=None, description="Of one service's block")


class JsonSchema(BaseModel):
    """A JSON Schema."""

    model_config = ConfigDict(extra="allow")

    title: str | None = None
    type: str | None = None
    properties: dict[str, Any] | None = None


class ConfigUpdate(BaseModel):
    """A change. Unknown keys are ignored."""

    process_name: str | None = Field(
        default=None, description="One service, by its exact name; without it: the document"
    )
    updates: dict[str, Any]
    persist: bool = Field(
        default=False, description="Save a service's change to the file; the document always is"
    )
    apply: str | None = Field(default=None, description="As the query of the same name")


class Restarted(BaseModel):
    """What became of one restart."""

    process_name: str
    status: str = Field(description="restarted, failed")
    detail: str


class ConfigUpdated(BaseModel):
    """`keys` for the document, the next two for one service."""

    status: str
    keys: list[str] | None = None
    process_name: str | None = None
    persisted: bool | None = None
    restart_required: list[str] = Field(description="Running services that still use old values")
    restarted: list[Restarted] | None = None
    overridden: list[str] | None = Field(
        default=None, description="Variables that go on deciding a value that was sent"
    )


class OnboardingDone(BaseModel):
    """A sentence."""

    status: str


class SchemaRequest(BaseModel):
    """Which service's block."""

    process_name: str


class ServiceUiRequest(BaseModel):
    """Whether Traefik is wanted."""

    enabled: bool = True


class ConfigVersion(BaseModel):
    """One version. `paths`: what it changed."""

    version: int
    at: float = Field(description="Epoch seconds")
    actor: str
    source: str
    note: str
    persisted: bool = Field(description="false: in memory only, until the supervisor restarts")
    paths: list[str]


class ConfigVersions(BaseModel):
    """The last 20, the newest first."""

    version: int
    versions: list[ConfigVersion]


class ConfigDiff(BaseModel):
    """What one version changed. Secrets are `***`, also where they changed."""

    version: int
    changes: list[dict[str, Any]] = Field(
        description="`path`, `before`, `after`; one of the values is absent for a new or lost key"
    )


class Restored(BaseModel):
    """The version that the restore made."""

    status: str
    version: int
    restart_required: list[str]
