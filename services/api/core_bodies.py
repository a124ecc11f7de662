"""The body of `start-core-service` and its answers (contract rest.md 3.7)."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from services.api.action_bodies import Strict

Options = dict[str, dict[str, Any] | None]

MOST: Final = 200
"""Services in one request."""


class CoreService(Strict):
    """One core service."""

    name: str = Field(
        description="Service key, label, or the exact process name of an instance",
        examples=["sonarr"],
    )
    instance_name: str | None = Field(
        default=None, description="Of a service with instances; an unknown one is made"
    )
    debrid_service: str | list[str] | None = None
    debrid_key: str | list[str | None] | None = Field(
        default=None, description="In the order of `debrid_service`; may be shorter"
    )
    service_options: Options | None = Field(
        default_factory=dict,
        description="Fields by service key or instance, of what it needs too; null: as it is",
        examples=[{"sonarr": {"port": 8991}}],
    )


class StartCoreRequest(Strict):
    """What a stack is to consist of."""

    core_services: CoreService | Annotated[list[CoreService], Field(max_length=MOST)]
    optional_services: list[str] = Field(default_factory=list, max_length=MOST)
    optional_service_options: Options = Field(default_factory=dict)

    def args(self) -> dict[str, Any]:
        """As the supervisor takes it."""
        cores = self.core_services
        listed = cores if isinstance(cores, list) else [cores]
        return {
            "core_services": [core.model_dump() for core in listed],
            "optional_services": self.optional_services,
            "optional_service_options": self.optional_service_options,
        }


class CoreResult(BaseModel):
    """A core service that runs; `service` as it was sent."""

    service: str
    status: str = Field(description="started")


class CoreError(BaseModel):
    """A service that does not run, and why."""

    service: str
    error: str


class CoreStarted(BaseModel):
    """All of it runs."""

    results: list[CoreResult]
    errors: list[CoreError] = Field(description="Empty")


class CoreFailure(BaseModel):
    """Some of it does not. `changes`: what was changed in the configuration, and stays."""

    message: str
    results: list[CoreResult]
    errors: list[CoreError]
    changes: list[str]


class CoreFailed(BaseModel):
    """500 and 409."""

    detail: CoreFailure | str
