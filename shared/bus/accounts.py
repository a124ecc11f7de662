"""`dumb:auth:*`: the supervisor publishes it, the API decides by it."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus.claim import Command, Fence, flat
from shared.bus.keys import Keys
from shared.bus.refusals import require_changes
from shared.bus.scripts import AUTH_LOOK
from shared.models.account import Account, ApiToken, AuthSettings, epoch_of


@dataclass(frozen=True, slots=True)
class Session:
    """One login as the API keeps it. `revoked`: nothing of it counts any more."""

    username: str
    tokens_epoch: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What Redis says, at one moment, about one request's credentials.

    `settings` None: nobody has written them, or they do not fit together; nothing can be decided.
    """

    settings: AuthSettings | None
    secret: str = field(default="", repr=False)
    account: Account | None = None
    """The user who was asked for, or the owner of `token`."""
    token: ApiToken | None = None
    session: Session | None = None


class AccountReader:
    """Reads everything that a decision needs in one round trip."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._look = redis.register_script(AUTH_LOOK)

    async def look(self, *, username: str = "", token_hash: str = "", family: str = "") -> Look:
        """Look up a user, or an API token and its owner, and a session. "" asks for nothing.

        Raises:
            redis.exceptions.RedisError, OSError: Redis is away or refuses.
        """
        keys = self._keys
        answer: Any = await self._look(
            args=[
                username,
                token_hash,
                keys.auth_settings,
                keys.auth_users,
                keys.auth_tokens,
                keys.auth_secret,
                keys.session(family) if family else "",
            ],
        )
        return _parse(answer)

    async def all_accounts(self) -> list[Account]:
        """Every readable account, in the order of the file. Raises as `look` does."""
        raw = cast("list[bytes]", await self._redis.hvals(self._keys.auth_users))
        return sorted(_readable(Account.from_json, raw), key=lambda account: account.position)

    async def all_tokens(self) -> list[ApiToken]:
        """Every readable API token. Raises as `look` does."""
        raw = cast("list[bytes]", await self._redis.hvals(self._keys.auth_tokens))
        return list(_readable(ApiToken.from_json, raw))

    async def require_changes(self) -> None:
        """Nothing can be published while Redis takes no changes. Raises what redis-py raises."""
        await require_changes(self._redis, self._keys)

    async def problem(self) -> str:
        """Why the supervisor cannot serve accounts, "" when it can or says nothing."""
        raw = cast("bytes | None", await self._redis.get(self._keys.auth_problem))
        return (raw or b"").decode("utf-8", "replace")


def _parse(answer: Any) -> Look:
    """Anything that is not exactly what the supervisor writes means: unknown."""
    fields, users, tokens, secret, account, token, session = answer
    try:
        settings = AuthSettings.from_hash(dict(zip(fields[::2], fields[1::2], strict=True)))
        if settings.users != users or settings.tokens != tokens:
            return Look(None)
        return Look(
            settings,
            bytes(secret or b"").decode(),
            Account.from_json(account) if account else None,
            ApiToken.from_json(token) if token else None,
            _session(session),
        )
    except (ValueError, TypeError):
        return Look(None)


def _session(values: list[bytes | None]) -> Session | None:
    username, epoch, revoked = values
    if username is None:
        return None
    return Session(username.decode(), int(epoch or b"-1"), revoked is not None)


def _readable(parse: Any, values: Iterable[bytes]) -> Iterable[Any]:
    for value in values:
        try:
            yield parse(value)
        except ValueError:
            continue


async def publish_accounts(
    redis: Redis,
    keys: Keys,
    fence: Fence,
    settings: AuthSettings,
    *,
    secret: str,
    accounts: Iterable[Account],
    tokens: Iterable[ApiToken],
) -> None:
    """Replace all of `dumb:auth:*` at once, and announce it. Raises what redis-py raises."""
    users: list[Command] = [
        ("HSET", keys.auth_users, account.username, replace(account, position=at).to_json())
        for at, account in enumerate(accounts)
    ]
    await fence.write(
        redis,
        ("DEL", keys.auth_users, keys.auth_tokens, keys.auth_settings, keys.auth_problem),
        *users,
        *(("HSET", keys.auth_tokens, token.hash, token.to_json()) for token in tokens),
        ("HSET", keys.auth_settings, *flat(settings.to_hash())),
        ("SET", keys.auth_secret, secret),
        ("PUBLISH", keys.auth_changed, orjson.dumps({"epoch": settings.epoch})),
    )


async def withdraw_accounts(redis: Redis, keys: Keys, fence: Fence, problem: str) -> None:
    """Nothing can be decided any more, and why. Raises what redis-py raises."""
    await fence.write(
        redis,
        ("DEL", keys.auth_users, keys.auth_tokens, keys.auth_settings, keys.auth_secret),
        ("SET", keys.auth_problem, problem),
        ("PUBLISH", keys.auth_changed, b"{}"),
    )


async def stated_epoch(redis: Redis, keys: Keys) -> int | None:
    """The epoch that stands there, whole or not: readers may have seen it. Raises as redis-py."""
    try:
        raw = cast("bytes | None", await redis.hget(keys.auth_settings, "epoch"))
        return epoch_of(raw) if raw is not None else None
    except (ResponseError, ValueError):  # another type, or nonsense: no reader can decide by it
        return None


async def published_epoch(redis: Redis, keys: Keys) -> int | None:
    """The epoch that readers see, None when what they see is not whole. Raises as redis-py."""
    look = await AccountReader(redis, keys).look()
    return look.settings.epoch if look.settings is not None and look.secret else None
