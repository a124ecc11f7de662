"""Collects what `policy.decide` needs to know about a request or a socket, and calls it."""

import asyncio
import time
from typing import Final

from redis.exceptions import RedisError
from starlette.requests import HTTPConnection
from starlette.types import Scope

from services.api.auth import setup_code
from services.api.auth.authority import client_address
from services.api.auth.errors import (
    AuthUnknownError,
    ForbiddenError,
    NotAuthenticatedError,
    Reason,
    SetupCodeError,
    StrangerError,
)
from services.api.auth.policy import Ask, Decision, Outcome, decide, settled
from services.api.auth.principal import Known, Principal, judge
from services.api.auth.roles import Door
from services.api.auth.service import Auth
from services.api.configuration import ConfigReader
from services.api.origins import NOT_CONFIGURED, Origins
from shared.models.account import Role

LOOK_S: Final = 1.0
"""How long what is open to everybody waits for the accounts: probes answer without Redis too."""
SUBPROTOCOL: Final = "bearer"


class Admission:
    """Decides for one replica."""

    def __init__(self, auth: Auth, config: ConfigReader) -> None:
        self._auth = auth
        self._config = config

    async def admit(
        self, connection: HTTPConnection, door: Door, *, again: bool = False
    ) -> Principal | None:
        """Who is asking; None where the route does not need to know.

        Args:
            again: an open socket is looked at again, so a setup code is not counted once more.

        Raises:
            NotAuthenticatedError, ForbiddenError, TooManyAttemptsError: they may not.
            AuthUnknownError, redis.exceptions.RedisError, OSError: it cannot be known now.
        """
        ask = self._read(connection, door)
        pages = await self._pages(ask)
        if settled(ask, pages):
            return None
        token = token_of(connection)
        known, problem = await self._look(token, door)
        settings = known.settings if known is not None else None
        principal, who = _identify(known, token)
        decision = decide(ask, pages, settings, who)
        if not again and settings is not None and not settings.users:
            await self._count_code(ask, decision, connection)
        if decision.outcome is Outcome.UNKNOWN and problem is not None:
            raise problem
        _raise_unless_allowed(decision)
        if known is None or door.role is None:
            return None
        return principal or Principal(known.settings, Role.ADMIN)

    def _read(self, connection: HTTPConnection, door: Door) -> Ask:
        codes = _values(connection, setup_code.HEADER)
        if connection.scope["type"] == "websocket":
            codes += connection.query_params.getlist(setup_code.QUERY)
        return Ask(
            door,
            _values(connection, "host"),
            _values(connection, "origin"),
            own_port=arrival_port(connection.scope),
            code=self._auth.setup_code.shown(codes),
        )

    async def _pages(self, ask: Ask) -> Origins:
        """What the configuration says, where that can make a difference."""
        if NOT_CONFIGURED.refusal(ask.hosts, (), ask.own_port) is None and not ask.origins:
            return NOT_CONFIGURED
        return await self._config.origins()

    async def _look(self, token: str | None, door: Door) -> tuple[Known | None, Exception | None]:
        """What Redis says, or why it says nothing."""
        try:
            async with asyncio.timeout(LOOK_S if door.role is None else None):
                return await self._auth.gate.look_for(token), None
        except (AuthUnknownError, RedisError, OSError) as error:  # a TimeoutError is an OSError
            return None, error

    async def _count_code(self, ask: Ask, decision: Decision, connection: HTTPConnection) -> None:
        """A code counts where nothing else decides before it."""
        if ask.door.code and decision.outcome is not Outcome.STRANGER:
            await self._auth.setup_code.count(ask.code, client_address(connection))


def _values(connection: HTTPConnection, name: str) -> list[str]:
    """Of all headers of that name; servers may leave blanks at their ends (RFC 9110 5.5)."""
    return [value.strip(" \t") for value in connection.headers.getlist(name)]


def _identify(known: Known | None, token: str | None) -> tuple[Principal | None, Role | Reason]:
    """Who sent the token, and the role that it gives; or why it gives none."""
    if known is None:
        return None, Reason.MISSING
    try:
        principal = judge(known, token)
    except NotAuthenticatedError as error:
        return None, error.reason
    if principal.expires_at is not None and principal.expires_at <= time.time():
        return None, Reason.INVALID
    return principal, principal.role


def _raise_unless_allowed(decision: Decision) -> None:
    match decision.outcome:
        case Outcome.ALLOW:
            return
        case Outcome.NO_TOKEN:
            raise NotAuthenticatedError(Reason(decision.reason))
        case Outcome.STRANGER:
            raise StrangerError(decision.reason)
        case Outcome.NO_CODE:
            raise SetupCodeError(decision.reason)
        case Outcome.ROLE:
            raise ForbiddenError(decision.reason)
        case Outcome.UNKNOWN:
            raise AuthUnknownError


def arrival_port(scope: Scope) -> int | None:
    """The port at which a request or socket arrived; None for one without ports."""
    server: tuple[str, int | None] | None = scope.get("server")
    return server[1] if server else None


def token_of(connection: HTTPConnection) -> str | None:
    """The token of a request: that of its `Authorization` header.

    Of a socket: from `?token=`, the header, or the subprotocols `bearer, <token>`.
    """
    sent = bearer(connection.headers.getlist("authorization"))
    if connection.scope["type"] != "websocket":
        return sent
    asked = connection.query_params.get("token")
    if asked:
        return asked
    offered = offered_protocols(connection.scope)
    if sent is None and len(offered) >= 2 and offered[0].lower() == SUBPROTOCOL:
        return offered[1]
    return sent


def bearer(values: list[str]) -> str | None:
    """The token of an `Authorization` header. Other schemes count as none (contract auth.md 4)."""
    for value in values:
        scheme, _, token = value.strip().partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
    return None


def offered_protocols(scope: Scope) -> list[str]:
    """What the client of a socket offered, in its order."""
    found: list[str] = scope.get("subprotocols") or []
    return found


def accepted_protocol(scope: Scope) -> str | None:
    """The subprotocol to accept with: a browser that offered some insists on one."""
    offered = offered_protocols(scope)
    return offered[0] if offered and offered[0].lower() == SUBPROTOCOL else None
