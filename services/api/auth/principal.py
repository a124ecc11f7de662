"""From credentials to who it is. One round trip to Redis a request, and no cache.

A cache of accounts would have to be right on every replica at the moment in which a user is
disabled; the round trip costs less than that proof (docs/authentication.md).
"""

import secrets
import time
from dataclasses import dataclass, field

from services.api.auth.apitokens import is_api_token, token_hash
from services.api.auth.errors import AuthUnknownError, NotAuthenticatedError, Reason
from services.api.auth.tokens import (
    Claims,
    InvalidTokenError,
    TokenKind,
    original_family,
    peek,
    verify,
)
from shared.bus.accounts import AccountReader, Look
from shared.models.account import Account, AuthSettings, Role, least


@dataclass(frozen=True, slots=True)
class Known:
    """A `Look` with which a decision can be made."""

    settings: AuthSettings
    secret: str = field(repr=False)
    look: Look = field(repr=False)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `username` None: nobody in particular, which is fine while auth is off."""

    settings: AuthSettings
    role: Role
    """What they may do now: everything while authentication is off."""
    username: str | None = None
    own_role: Role | None = None
    """What their credentials allow by themselves. Account changes go by this one."""
    api_token: str = ""
    """The id of the API token that was sent, if it was one."""
    family: str = ""
    """The login that the token belongs to; what a logout ends."""
    expires_at: float | None = None
    """Epoch seconds."""


class Gate:
    """Looks, and knows when what it sees cannot be relied on."""

    def __init__(self, reader: AccountReader, own_secret: str = "") -> None:
        self.reader = reader
        self._own_secret = own_secret
        self._highest = 0

    async def look(self, *, username: str = "", api_token: str = "", family: str = "") -> Known:
        """What Redis says now.

        Raises:
            AuthUnknownError: nothing, nothing whole, or something older than was seen before.
            redis.exceptions.RedisError, OSError: Redis is away or refuses.
        """
        look = await self.reader.look(
            username=username, token_hash=token_hash(api_token) if api_token else "", family=family
        )
        settings, secret = look.settings, self._own_secret or look.secret
        if settings is None or not secret or settings.epoch < self._highest:
            problem = await self.reader.problem()
            if not problem:
                await self.reader.require_changes()
            raise AuthUnknownError(problem)
        self._highest = settings.epoch
        return Known(settings, secret, look)

    async def look_for(self, token: str | None) -> Known:
        """What is known about the sender of this bearer token. Raises as `look` does."""
        if token is None:
            return await self.look()
        if is_api_token(token):
            return await self.look(api_token=token)
        try:
            claims = peek(token)
        except InvalidTokenError:
            return await self.look()
        return await self.look(username=claims.sub, family=family_of(claims, token))


def family_of(claims: Claims, token: str) -> str:
    """Where the fate of this token is noted."""
    return original_family(token) if claims.original else claims.family


def judge(known: Known, token: str | None) -> Principal:
    """Who sent this token, by what was looked up for it. Raises `NotAuthenticatedError`. Pure."""
    if token is None:
        raise NotAuthenticatedError(Reason.MISSING)
    if is_api_token(token):
        return _judge_api_token(known, token)
    try:
        claims = verify(token, known.secret)
    except InvalidTokenError:
        raise NotAuthenticatedError(Reason.INVALID) from None
    if claims.kind is not TokenKind.ACCESS:
        raise NotAuthenticatedError(Reason.INVALID)
    account = check_claims(known, claims)
    return _principal(
        known,
        account,
        account.role,
        family=family_of(claims, token),
        expires_at=float(claims.exp),
    )


def check_claims(known: Known, claims: Claims) -> Account:
    """The active user of a verified token whose login goes on. Raises `NotAuthenticatedError`."""
    account, session = known.look.account, known.look.session
    if claims.provider != "local" or not known.settings.local_login:
        raise NotAuthenticatedError(Reason.GONE)
    if account is None or account.disabled or account.username != claims.sub:
        raise NotAuthenticatedError(Reason.GONE)
    if claims.original:
        # Its time of issue is not known, so any revocation of the user's tokens ends it.
        revoked = session is not None and session.revoked
        if account.tokens_epoch != 0 or (revoked and claims.kind is TokenKind.ACCESS):
            raise NotAuthenticatedError(Reason.INVALID)
    elif (
        session is None
        or session.username != claims.sub
        or session.tokens_epoch != account.tokens_epoch
        # A used refresh token is judged by the script that rotates it.
        or session.revoked
    ):
        raise NotAuthenticatedError(Reason.INVALID)
    return account


def _judge_api_token(known: Known, text: str) -> Principal:
    record, owner = known.look.token, known.look.account
    if record is None or not secrets.compare_digest(record.hash, token_hash(text)):
        raise NotAuthenticatedError(Reason.INVALID)
    if record.expired(time.time()):
        raise NotAuthenticatedError(Reason.INVALID)
    if owner is None or owner.disabled or owner.username != record.owner:
        raise NotAuthenticatedError(Reason.GONE)
    role = least(record.role, owner.role)
    return _principal(known, owner, role, api_token=record.id, expires_at=record.expires_at)


def _principal(
    known: Known,
    account: Account,
    role: Role,
    *,
    expires_at: float | None,
    api_token: str = "",
    family: str = "",
) -> Principal:
    return Principal(
        settings=known.settings,
        role=role if known.settings.enabled else Role.ADMIN,
        username=account.username,
        own_role=role,
        api_token=api_token,
        family=family,
        expires_at=expires_at,
    )
