"""The rules of deploy/redis/users.acl.in, tried on a real server."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from tests.deploy.broker import USERS, AclRedis, make_users_acl, write_secrets

pytestmark = pytest.mark.redis

FORBIDDEN: list[list[str]] = [
    ["CONFIG", "GET", "*"],
    ["CONFIG", "SET", "maxmemory", "1"],
    ["FLUSHALL"],
    ["FLUSHDB"],
    ["KEYS", "*"],
    ["ACL", "LIST"],
    ["MODULE", "LIST"],
    ["SHUTDOWN", "NOSAVE"],
    ["SCRIPT", "FLUSH"],
    ["CLIENT", "KILL", "TYPE", "normal"],
    ["MONITOR"],
    ["SAVE"],
    ["REPLICAOF", "NO", "ONE"],
    ["SET", "else", "1"],
    ["GET", "else"],
    ["PUBLISH", "else", "1"],
    ["SUBSCRIBE", "else"],
]
# Who, what, and since which Redis it is refused: before 7, whoever may read a key may write it.
FOREIGN: list[tuple[str, list[str], int]] = [
    ("api", ["HSET", "dumb:service:Web", "status", "running"], 7),
    ("api", ["SET", "dumb:config", "{}"], 7),
    ("api", ["HSET", "dumb:auth:users", "eve", "{}"], 7),
    ("api", ["XADD", "dumb:log:Web", "*", "chunk", "x"], 7),
    ("api", ["DEL", "dumb:supervisor"], 7),
    ("metrics", ["XADD", "dumb:commands", "*", "action", "stop"], 6),
    ("metrics", ["HSET", "dumb:service:Web", "status", "running"], 7),
    ("metrics", ["GET", "dumb:auth:secret"], 6),
    ("metrics", ["GET", "dumb:session:1"], 6),
    ("jobs", ["GET", "dumb:auth:secret"], 6),
    ("jobs", ["SET", "dumb:config", "{}"], 7),
    ("jobs", ["HSET", "dumb:service:Web", "status", "running"], 6),
    ("supervisor", ["GET", "dumb:session:1"], 6),
    ("supervisor", ["LPUSH", "rq:queue:default", "x"], 6),
]


def refused(redis: Redis, command: list[str]) -> bool:
    try:
        redis.execute_command(*command)  # type: ignore[no-untyped-call]
    except NoPermissionError:
        return True
    return False


@pytest.mark.parametrize("user", USERS)
def test_nobody_reaches_the_server_or_foreign_keys(shared_acl_redis: AclRedis, user: str) -> None:
    with shared_acl_redis.as_user(user) as redis:
        assert [command for command in FORBIDDEN if not refused(redis, command)] == []


@pytest.mark.parametrize(("user", "command", "since"), FOREIGN)
def test_each_writes_what_is_its_own(
    shared_acl_redis: AclRedis, user: str, command: list[str], since: int
) -> None:
    with shared_acl_redis.as_user(user) as redis:
        assert refused(redis, command) == (shared_acl_redis.version >= (since, 0))


def test_a_publisher_asks_and_nothing_else(shared_acl_redis: AclRedis) -> None:
    with shared_acl_redis.as_user("publisher") as redis:
        fields: Any = {"action": "restart", "process_name": "Web"}
        assert redis.xadd("dumb:triggers", fields)
        for command in (
            ["XADD", "dumb:commands", "*", "action", "stop"],
            ["XADD", "dumb:command:1", "*", "a", "b"],
            ["XRANGE", "dumb:triggers", "-", "+"],
            ["DEL", "dumb:triggers"],
            ["XTRIM", "dumb:triggers", "MAXLEN", "0"],
            ["SET", "dumb:triggers", "1"],
            ["HSET", "dumb:command:1", "status", "succeeded"],
            ["EVAL", "return 1", "0"],
            ["SCAN", "0"],
            ["PUBLISH", "dumb:status", "{}"],
            ["GET", "dumb:auth:secret"],
        ):
            assert refused(redis, command), command
        reads_outcomes = not refused(redis, ["HGETALL", "dumb:command:1"])
        assert reads_outcomes == (shared_acl_redis.version >= (7, 0))


def test_without_a_password_there_is_only_ping(shared_acl_redis: AclRedis) -> None:
    port = shared_acl_redis.server.port
    with Redis(port=port, username="health", password="any", protocol=2) as redis:
        assert redis.ping()
        for command in (*FORBIDDEN, ["XADD", "dumb:triggers", "*", "a", "b"]):
            assert refused(redis, command), command
    with Redis(port=port, protocol=2) as redis, pytest.raises(AuthenticationError):
        redis.ping()
    for user in ("default", "api"):
        with (
            Redis(port=port, username=user, password="no", protocol=2) as redis,
            pytest.raises(AuthenticationError),
        ):
            redis.ping()


def test_transactions_survive_a_restart(acl_redis: AclRedis) -> None:
    """Redis 7.0 reads its file as `default`: see users.acl.in."""
    with acl_redis.as_user("api") as redis:
        pipe = redis.pipeline(transaction=True)
        pipe.hset("dumb:session:1", "username", "alice")
        pipe.expire("dumb:session:1", 100)
        pipe.execute()
        acl_redis.server.stop()
        acl_redis.server.start()
        assert redis.hget("dumb:session:1", "username") == b"alice"


def test_another_prefix(place: Path) -> None:
    secrets = write_secrets(place / "secrets")
    rules = make_users_acl(secrets, "7.4.1", "stack-2:")
    assert "dumb:" not in rules
    assert "~stack-2:triggers -@all +xadd %R~stack-2:command:* +hgetall" in rules
    assert "~rq:*" in rules


@pytest.mark.parametrize(
    ("content", "version", "prefix", "says"),
    [
        (None, "7.4", "dumb:", "cannot be read"),
        ("", "7.4", "dumb:", "is empty"),
        ("two words", "7.4", "dumb:", "holds a space"),
        ("fine", "latest", "dumb:", "no version"),
        ("fine", "7.4", "* ~", "prefix"),
    ],
)
def test_what_cannot_become_rules_is_refused_with_a_sentence(
    place: Path, content: str | None, version: str, prefix: str, says: str
) -> None:
    secrets = write_secrets(place / "secrets")
    (secrets / "redis_jobs").unlink()
    if content is not None:
        (secrets / "redis_jobs").write_text(content)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        make_users_acl(secrets, version, prefix)
    assert says in caught.value.stderr
    assert caught.value.returncode == 78
