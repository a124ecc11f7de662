"""Answers of a Redis that takes nothing now: what was sent must be sent again later."""

from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
)

from shared.bus.claim import claim_lost

# redis-py cuts the code off the text of the errors that it has a class for.
_CLASSES = (RedisConnectionError, MasterDownError, NoScriptError, OutOfMemoryError, ReadOnlyError)


def refused(result: object) -> bool:
    """Whether a reply in a pipeline says that Redis is loading, full, read-only or was wiped, or
    that the claim is not ours."""
    if isinstance(result, _CLASSES) or claim_lost(result):
        return True
    return isinstance(result, Exception) and str(result).startswith("MISCONF")
