"""What the wizard's answers look like on the OpenAPI page."""

from typing import Any

from pydantic import BaseModel, Field

Options = dict[str, dict[str, Any]]
Words = dict[str, dict[str, str]]


class OptionalService(BaseModel):
    """One offer. Options and their descriptions: by service or instance, then by field."""

    name: str
    key: str
    description: str
    service_options: Options = Field(description="Defaults of the fields that can be chosen")
    service_option_descriptions: Words
    supports_instances: bool
    instance_options: Options
    instance_option_descriptions: Words


class OfferedCoreService(OptionalService):
    """`dependencies`: config keys of what is started before it."""

    dependencies: list[str]
    debrid_providers: list[str]


class CoreServices(BaseModel):
    """In the order in which they are offered."""

    core_services: list[OfferedCoreService]


class OptionalServices(BaseModel):
    """In the order in which they are offered."""

    optional_services: list[OptionalService]
