"""What every command has at hand. Made when first asked for: `dumb --help` needs none of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import typer

from services.cli.client import Client
from shared.api_address import api_address, http_base
from shared.settings import Settings, load_settings


@dataclass
class Desk:
    """`environ` is the environment of this process."""

    environ: Mapping[str, str]

    @cached_property
    def settings(self) -> Settings:
        """Raises `SettingsError`."""
        return load_settings(self.environ)

    @cached_property
    def client(self) -> Client:
        """The API that the settings lead to. Raises `SettingsError`."""
        settings = self.settings
        base = settings.api_url or http_base(*api_address(settings))
        return Client(base, settings.api_token)


def desk_of(context: typer.Context) -> Desk:
    """What `__main__` handed over."""
    found: Desk = context.obj
    return found
