"""Who `dumb` is to the API: an API token of the environment, or a stored login that is renewed."""

import base64
import json
import time
from typing import Any, Final

from services.cli.client import Client, RefusedError, Trust
from services.cli.logins import Login, LoginStore

EARLY_S: Final = 15.0
"""A token that expires so soon is renewed before it is sent."""


class TokenCredentials:
    """`DUMB_TOKEN`; "" for nobody in particular."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    def token(self) -> str:
        return self._token

    def renew(self, refused: str) -> bool:  # noqa: ARG002 - nothing can be done about it
        return False

    def advice(self) -> str:
        if self._token:
            return "DUMB_TOKEN is not accepted: make another with `dumb tokens create`."
        return "Log in with `dumb login`, or set DUMB_TOKEN to an API token."


class LoginCredentials:
    """The login that is stored for the API `base`."""

    def __init__(self, store: LoginStore, base: str, trust: Trust) -> None:
        self._store = store
        self._base = base
        self._trust = trust
        self._login: Login | None = None
        self._ended = False

    def token(self) -> str:
        login = self._login or self._store.find(self._base)
        self._login = login
        if login is None:
            return ""
        if _expires(login.access_token) < time.time() + EARLY_S:
            self.renew(login.access_token)
        return self._login.access_token if self._login else ""

    def renew(self, refused: str) -> bool:
        if not refused or self._ended:
            return False
        with self._store.alone():
            stored = self._store.find(self._base)
            if stored is not None and stored.access_token != refused:
                self._login = stored  # another `dumb` was faster
                return True
            self._login = self._renewed(stored) if stored else None
            self._store.save(self._base, self._login)
        self._ended = self._login is None
        return not self._ended

    def advice(self) -> str:
        if self._ended:
            return "This login has ended: `dumb login` again."
        return "Log in with `dumb login`, or set DUMB_TOKEN to an API token."

    def _renewed(self, login: Login) -> Login | None:
        """None when the login has ended. Raises `DumbError` when that cannot be known now."""
        body = {"refresh_token": login.refresh_token}
        try:
            with Client(self._base, TokenCredentials(), self._trust) as client:
                pair = client.post("/auth/refresh", body)
        except RefusedError as error:
            if error.status in {400, 401, 422}:
                return None
            raise
        return Login(login.username, str(pair["access_token"]), str(pair["refresh_token"]))


def _expires(token: str) -> float:
    """When a JWT says that it expires, in epoch seconds; never when it does not say."""
    try:
        body = token.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return float(claims["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return float("inf")
