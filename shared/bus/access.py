"""Before a program begins: will this Redis ever take us? Being away is no answer to that."""

import asyncio
from dataclasses import dataclass
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from shared.bus.client import BUS_ERRORS, commands_client
from shared.exits import Exit
from shared.redis_url import parse_redis_url
from shared.tls_reasons import hopeless_reason, tls_sentence

LOOK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it is pointless to go on: an exit code, and one sentence that says what to do."""

    code: Exit
    sentence: str


async def find_refusal(url: str) -> Refusal | None:
    """One connection. None when Redis takes us, or is away, which every program lives through.

    Args:
        url: of `Settings.redis_url`; "" is refused as well.
    """
    if not url:
        sentence = "No Redis: set REDIS_URL, or start everything with `dumb up`."
        return Refusal(Exit.CONFIG, sentence)
    try:
        place = parse_redis_url(url).place
        client = commands_client(url, "dumb-start", 1)
    except (ValueError, RedisError) as error:
        return Refusal(Exit.CONFIG, f"REDIS_URL cannot be used: {error}.")
    try:
        async with asyncio.timeout(LOOK_S):
            await client.ping()
    except (*BUS_ERRORS, ResponseError, TypeError) as error:
        return _judge(error, place)
    finally:
        await client.aclose(close_connection_pool=True)
    return None


def _judge(error: BaseException, place: str) -> Refusal | None:
    if isinstance(error, AuthenticationError | AuthorizationError):
        return Refusal(
            Exit.NO_PERMISSION,
            f"Redis at {place} refuses the user or the password ({error}): "
            "correct REDIS_URL or DUMB_REDIS_PASSWORD_FILE.",
        )
    if isinstance(error, NoPermissionError):  # this user may not ping, and may all it needs
        return None
    if isinstance(error, ResponseError | TypeError):
        return Refusal(Exit.CONFIG, f"Redis at {place} cannot be used ({error}): see REDIS_URL.")
    if reason := hopeless_reason(error):
        return Refusal(Exit.TLS, tls_sentence(place, reason))
    return None
