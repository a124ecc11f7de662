"""Bodies of commands that concern several services or none, and of their answers."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from shared.models.command import CommandStatus

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    """An unknown key is a 422."""

    model_config = ConfigDict(extra="forbid")


class ActionRequest(Strict):
    """One action for several services: those named, or all that it makes sense for."""

    action: Literal["start", "stop", "restart"]
    process_names: list[Name] | None = Field(
        default=None, min_length=1, max_length=1000, description="Exactly as configured"
    )
    all: StrictBool = Field(
        default=False, description="Start what is enabled; stop or restart what is up"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.all == (self.process_names is not None):
            raise ValueError("Send either process_names or all: true.")
        return self


class ServiceOutcome(BaseModel):
    """What became of one service."""

    process_name: str
    status: CommandStatus
    detail: str


class ActionDone(BaseModel):
    """In the order of the request, or of the file."""

    status: str
    results: list[ServiceOutcome]


class ActionFailure(BaseModel):
    """The same when not all of it was done."""

    message: str
    results: list[ServiceOutcome]


class ActionFailed(BaseModel):
    """500 and 409."""

    detail: ActionFailure | str


class Cancelled(BaseModel):
    """The command that was taken back."""

    id: str
    status: CommandStatus
    detail: str
