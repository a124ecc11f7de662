"""Logins: chains of refresh tokens in `dumb:session:*` (docs/authentication.md).

A login begins a family. Every access token names its family and counts only while that stands in
Redis unrevoked, so an end of it is known to every replica at its next request. A family also
remembers its user's `tokens_epoch`: when that rises (password changed, user disabled, deleted or
made anew) all of the user's families are over without being searched for.
"""

import time
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from redis.asyncio import Redis

from services.api.auth.tokens import Claims, InvalidTokenError, TokenKind, encode, new_id
from shared.bus.keys import Keys
from shared.bus.scripts import SESSION_ROTATE
from shared.models.account import Account

GRACE_S: Final = 10
"""A refresh token that was used just now gives the same successor again: two tabs, one login."""


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The answer to a login or a refresh."""

    access_token: str
    refresh_token: str


class Sessions:
    """Begins, continues and ends logins. `access_s` and `refresh_s` are lifetimes in seconds."""

    def __init__(self, redis: Redis, keys: Keys, *, access_s: int, refresh_s: int) -> None:
        self._redis = redis
        self._keys = keys
        self._access_s = access_s
        self._refresh_s = refresh_s
        self._rotate = redis.register_script(SESSION_ROTATE)

    async def begin(self, account: Account, secret: str) -> TokenPair:
        """Log a user in. Raises what redis-py raises."""
        family = new_id()
        refresh = self._next(account.username, family)
        key = self._keys.session(family)
        fields: dict[Any, Any] = {
            "username": account.username,
            "tokens_epoch": str(account.tokens_epoch),
            "created_at": str(time.time()),
            "current": refresh.jti,
            "current_iat": str(refresh.iat),
            "current_exp": str(refresh.exp),
            "rotated_at": str(time.time()),
            "previous": "",
        }
        pipe = self._redis.pipeline(transaction=True)
        pipe.hset(key, mapping=fields)
        pipe.expire(key, self._refresh_s)
        await pipe.execute()
        return self._pair(refresh, secret)

    async def refresh(
        self, claims: Claims, family: str, account: Account, secret: str
    ) -> TokenPair:
        """Exchange a refresh token whose user was checked; `family` is where its use is noted.

        Raises:
            InvalidTokenError: it was used before (the family is over now), or is unknown.
            redis.exceptions.RedisError, OSError: Redis is away or refuses.
        """
        refresh = self._next(account.username, family)
        born = [account.username, str(account.tokens_epoch)] if claims.original else ["", ""]
        # A used token of the original must be remembered for as long as it could come back.
        left = max(claims.exp - int(time.time()), 0) if claims.original else 0
        answer = cast(
            "list[bytes]",
            await self._rotate(
                keys=[self._keys.session(family)],
                args=[
                    claims.jti or "original",
                    refresh.jti,
                    refresh.iat,
                    refresh.exp,
                    max(self._refresh_s, left) + GRACE_S,
                    GRACE_S,
                    *born,
                    self._keys.auth_changed,
                ],
            ),
        )
        if answer[0] == b"again":
            _, jti, iat, exp = answer
            refresh = replace(refresh, jti=jti.decode(), iat=int(iat), exp=int(exp))
        elif answer[0] != b"rotated":
            raise InvalidTokenError
        return self._pair(refresh, secret)

    async def revoke(self, family: str, lasts_until: float) -> None:
        """End a login, on every replica. Raises what redis-py raises.

        `lasts_until` (epoch seconds): until then its tokens would be valid by themselves.
        """
        key = self._keys.session(family)
        pipe = self._redis.pipeline(transaction=True)
        # The name makes a mark of it even where no family was (a token of the original).
        pipe.hsetnx(key, "username", "")
        pipe.hset(key, "revoked", "logout")
        pipe.expire(key, max(int(lasts_until - time.time()), self._refresh_s) + GRACE_S)
        pipe.publish(self._keys.auth_changed, b"{}")
        await pipe.execute()

    def _next(self, username: str, family: str) -> Claims:
        now = int(time.time())
        return Claims(
            sub=username,
            kind=TokenKind.REFRESH,
            exp=now + self._refresh_s,
            iat=now,
            jti=new_id(),
            family=family,
        )

    def _pair(self, refresh: Claims, secret: str) -> TokenPair:
        now = int(time.time())
        access = replace(
            refresh, kind=TokenKind.ACCESS, iat=now, exp=now + self._access_s, jti=new_id()
        )
        return TokenPair(encode(access, secret), encode(refresh, secret))
