"""What every command has at hand. Made when first asked for: `dumb --help` needs none of it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import typer

from services.cli.client import Client, Credentials
from services.cli.credentials import LoginCredentials, TokenCredentials
from services.cli.logins import LoginStore, login_file
from services.cli.terminal import Terminal
from shared.api_address import api_certificate, local_base
from shared.settings import Settings, SettingsError, load_settings
from shared.tls import exactly, system_and


@dataclass
class Desk:
    """`environ` is the environment of this process; `url` what `--url` says, or ""."""

    environ: Mapping[str, str]
    url: str = ""

    @cached_property
    def settings(self) -> Settings:
        """Raises `SettingsError`."""
        return load_settings(self.environ)

    @cached_property
    def terminal(self) -> Terminal:
        return Terminal(self.environ)

    @property
    def base(self) -> str:
        """The API that is asked: `http://host:port` or `https:`. Raises `SettingsError`."""
        given = self._given
        if given and not given.startswith(("http://", "https://")):
            raise SettingsError(f"'{given}' is no address of an API: use http://HOST:PORT.")
        return given or local_base(self.settings)

    @property
    def _given(self) -> str:
        return (self.url or self.settings.api_url).rstrip("/")

    @property
    def logins(self) -> LoginStore:
        return LoginStore(login_file(self.environ, self.settings.home))

    def trust(self) -> ssl.SSLContext:
        """Whose certificates are accepted at `base`. Raises `SettingsError`."""
        settings = self.settings
        own = api_certificate(settings)
        if own is not None and self.base == local_base(settings):
            return exactly(own)
        return system_and(settings.tls_ca)

    @cached_property
    def client(self) -> Client:
        """Raises `SettingsError`."""
        token, code, base = self.settings.api_token, self.settings.setup_code, self.base
        # This machine's API may listen on a public address, and does not answer to that name while
        # there are no accounts.
        host = "" if self._given else "localhost"
        if token:
            credentials: Credentials = TokenCredentials(token)
        else:
            credentials = LoginCredentials(self.logins, base, self.trust)
        return Client(base, credentials, self.trust, setup_code=code, host=host)

    def close(self) -> None:
        """End what was begun."""
        if "client" in self.__dict__:
            self.client.close()


def desk_of(context: typer.Context) -> Desk:
    """What `__main__` handed over."""
    found: Desk = context.obj
    return found
