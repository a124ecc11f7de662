"""On whose authority accounts change. With authentication off that is the question that is left.

While authentication is off anybody may do anything else, but an account that exists must not be
changed, and none added, by somebody who just came by. Logins are closed then (contract auth.md 7),
so an administrator shows a token that is still valid, an API token, or name and password (Basic).
"""

import base64
import binascii
from dataclasses import dataclass

from starlette.requests import HTTPConnection, Request

from services.api.auth.errors import ForbiddenError, NotAuthenticatedError, Reason
from services.api.auth.principal import Principal
from services.api.auth.service import Auth
from shared.models.account import Role


@dataclass(frozen=True, slots=True)
class Authority:
    """`by` None: nobody's, which the supervisor takes only while there is no user.

    `proven`: the password was just shown.
    """

    by: str | None
    role: Role
    proven: bool = False


async def somebody(request: Request, auth: Auth) -> Authority:
    """Who the caller really is.

    Raises:
        NotAuthenticatedError: nobody, although users exist.
        TooManyAttemptsError: of the wrong passwords.
    """
    principal: Principal = request.state.principal
    if principal.username is not None and principal.own_role is not None:
        return Authority(principal.username, principal.own_role)
    if principal.settings.users == 0:
        return Authority(None, Role.ADMIN)
    shown = _basic(request)
    found = await auth.logins.check(*shown, client_address(request)) if shown else None
    if found is None:
        raise NotAuthenticatedError(Reason.INVALID if shown else Reason.MISSING)
    account = found[1]
    return Authority(account.username, account.role, proven=True)


async def administrator(request: Request, auth: Auth) -> Authority:
    """The same, and an administrator. Raises `ForbiddenError` too."""
    found = await somebody(request, auth)
    if found.role is not Role.ADMIN:
        raise ForbiddenError("Only an administrator may do this.")
    return found


async def in_person(request: Request, auth: Auth) -> Authority:
    """The same as `somebody`, but not a script with an API token of a lesser role.

    A token can do less than its owner; what it made or changed could do more.
    """
    principal: Principal = request.state.principal
    found = await somebody(request, auth)
    if principal.api_token and found.role is not Role.ADMIN:
        raise ForbiddenError("Log in with your password for this; an API token is not enough.")
    return found


def client_address(connection: HTTPConnection) -> str:
    """Where a request or a socket came from."""
    return connection.client.host if connection.client else "unknown"


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, coded = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic" or len(coded) > 4096:
        return None
    try:
        text = base64.b64decode(coded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    name, separator, password = text.partition(":")
    return (name, password) if separator and name else None
