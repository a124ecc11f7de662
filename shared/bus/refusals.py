"""What Redis says when it is there and does not do what it is asked.

While it refuses changes, every heartbeat expires. So a program that misses one asks Redis first,
with `require_changes`, before it says that another program is away.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, cast

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from shared.bus.keys import Keys


@dataclass(frozen=True, slots=True)
class Refused:
    """`sentence` is for everyone: it has no name, key or path. `advice`: what to do."""

    code: str
    sentence: str
    advice: str


_KNOWN: Final[dict[str, tuple[str, str]]] = {
    "MISCONF": (
        "takes no changes, because it cannot save to its disk",
        "Make room on the disk of Redis, or correct the rights of its directory.",
    ),
    "OOM": (
        "takes no changes, because its memory is full",
        "Raise `maxmemory` of Redis, and see what fills it (`redis-cli --bigkeys`).",
    ),
    "READONLY": ("takes no changes, because it is a replica", "Let REDIS_URL name the primary."),
    "NOREPLICAS": (
        "takes no changes, because too few replicas are connected to it",
        "Start its replicas, or lower `min-replicas-to-write` of Redis.",
    ),
    "LOADING": ("is still loading its data", "Wait until it has read its data."),
    "MASTERDOWN": ("is a replica that has lost its primary", "Let REDIS_URL name the primary."),
    "NOAUTH": ("asks for a password", "Put the password into REDIS_URL."),
    "WRONGPASS": (
        "refuses the user or the password",
        "Correct the password in REDIS_URL or DUMB_REDIS_PASSWORD_FILE.",
    ),
    "NOPERM": (
        "does not allow this to the user of this program",
        "Renew its ACL from deploy/redis/users.acl.in.",
    ),
}

_CODE: Final = re.compile(rf"\b({'|'.join(_KNOWN)})\b")
_WRONG: Final = re.compile("invalid|WRONGPASS")

# redis-py cuts the code off the text of the errors that it has a class for.
_CLASSES: Final[tuple[tuple[type[RedisError], str], ...]] = (
    (OutOfMemoryError, "OOM"),
    (ReadOnlyError, "READONLY"),
    (BusyLoadingError, "LOADING"),
    (MasterDownError, "MASTERDOWN"),
    (NoPermissionError, "NOPERM"),
)


def refusal_of(error: object) -> Refused | None:
    """What an error means, None when Redis is away or the error is of another kind."""
    code = _code(error)
    if code is None:
        return None
    what, advice = _KNOWN[code]
    return Refused(code, f"Redis {what} ({code}).", advice)


def _code(error: object) -> str | None:
    for kind, code in _CLASSES:
        if isinstance(error, kind):
            return code
    if isinstance(error, AuthenticationError):
        return "WRONGPASS" if _WRONG.search(str(error)) else "NOAUTH"
    if isinstance(error, ResponseError):
        text = str(error)
        if text.startswith("ACL failure in script"):
            return "NOPERM"
        found = _CODE.search(text)  # of a script, it stands within the text
        return found[1] if found else None
    return None


async def require_changes(redis: Redis, keys: Keys) -> None:
    """Return when Redis takes changes. Nothing is changed.

    Raises:
        redis.exceptions.RedisError, OSError: it is away or refuses; see `refusal_of`.
    """
    try:
        await cast("Any", redis).execute_command(*_probe(keys))
    except ResponseError as error:
        _raise_refusal(error)


def require_changes_blocking(redis: BlockingRedis, keys: Keys) -> None:
    """`require_changes` for threads."""
    try:
        cast("Any", redis).execute_command(*_probe(keys))
    except ResponseError as error:
        _raise_refusal(error)


def _probe(keys: Keys) -> tuple[str, ...]:
    """A change that Redis refuses when it refuses any, and that has no effect: no such stream."""
    return ("XADD", keys.command("probe"), "NOMKSTREAM", "*", "probe", "")


def _raise_refusal(error: ResponseError) -> None:
    """The type of a key is looked at last: Redis would have taken the change."""
    if not str(error).startswith("WRONGTYPE"):
        raise error
