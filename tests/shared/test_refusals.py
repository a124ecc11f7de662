"""What an error of Redis is taken for."""

from typing import Any, cast

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.bus.refusals import refusal_of

SAID = [
    ("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to", "MISCONF"),
    ("MISCONF Errors writing to the AOF file: No space left on device", "MISCONF"),
    ("OOM command not allowed when used memory > 'maxmemory'.", "OOM"),
    ("READONLY You can't write against a read only replica.", "READONLY"),
    ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS"),
    ("LOADING Redis is loading the dataset in memory", "LOADING"),
    ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
     "MASTERDOWN"),
    ("NOAUTH Authentication required.", "NOAUTH"),
    ("NOAUTH HELLO must be called with the client already authenticated", "NOAUTH"),
    ("WRONGPASS invalid username-password pair or user is disabled.", "WRONGPASS"),
    ("NOPERM this user has no permissions to run the 'xadd' command", "NOPERM"),
    ("NOPERM No permissions to access a key", "NOPERM"),
    ("ERR ACL failure in script: User api has no permissions to run the 'xadd' command", "NOPERM"),
    # Of a script, before Redis 7.
    ("ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -OOM command not",
     "OOM"),
    ("ERR Error running script (call to f_1): @user_script:3: -MISCONF Redis is configured to",
     "MISCONF"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), SAID)
def test_the_code_is_known_after_redis_py_cut_it_off(text: str, code: str) -> None:
    found = refusal_of(cast("Any", BaseParser).parse_error(text))
    assert found is not None
    assert found.code == code
    assert found.sentence.startswith("Redis ")
    assert found.sentence.endswith(f"({code}).")
    assert found.advice.endswith(".")


@pytest.mark.parametrize(
    "error",
    [
        RedisConnectionError("Connection refused"),
        RedisTimeoutError("Timeout reading from socket"),
        OSError(111, "Connection refused"),
        ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        ResponseError("ERR unknown command 'LOADINGS'"),
        ResponseError("NOGROUP No such key"),
        None,
        b"MISCONF",
        {},
    ],
)
def test_everything_else_is_no_refusal(error: object) -> None:
    assert refusal_of(error) is None
