"""The next private Redis is one that can read what the last one wrote; nothing is lost."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from services.launcher.redis_binary import Server, server_at
from services.launcher.redis_data import (
    Stored,
    UnreadableDataError,
    can_read,
    chosen_server,
    stored_in,
)
from shared.redis_tools import in_wheel, on_path
from tests.launcher.running import Running
from tests.support.redis_server import PrivateRedis, only_on_path, redis_6_2
from tests.support.wait import wait_until_sync

Found = Callable[[], str | None]
SERVERS: dict[str, Found] = {
    "Redis 6.2": redis_6_2,
    "system": lambda: on_path("redis-server"),
    "wheel": in_wheel,
}


def server(name: str) -> Server:
    found = SERVERS[name]()
    if found is None:
        pytest.skip(f"this machine has none: {name}")
    return server_at(found)


def fill(client: "redis.Redis") -> None:
    """One of every type that this project keeps in Redis."""
    for number in range(200):
        client.xadd("stream", {"line": f"line {number}"})
    client.xgroup_create("stream", "group", id="0")
    client.xreadgroup("group", "reader", {"stream": ">"}, count=10)
    client.hset("hash", mapping={"status": "running", "pid": "7"})
    client.zadd("zset", {"a": 1.5, "b": 2})
    client.sadd("set", "x", "y")
    client.rpush("list", *(f"job {number}" for number in range(300)))
    client.set("session", b"\x00\xff binary", ex=3600)


def content(client: "redis.Redis") -> dict[str, Any]:
    ttl: Any = client.ttl("session")
    return {
        "stream": client.xrange("stream"),
        "pending": client.xpending("stream", "group"),
        "hash": client.hgetall("hash"),
        "zset": client.zrange("zset", 0, -1, withscores=True),
        "set": client.smembers("set"),
        "list": client.lrange("list", 0, -1),
        "session": client.get("session"),
        "expires": 0 < ttl <= 3600,
    }


def sums(directory: Path) -> dict[str, str]:
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("file", "data", "expected"),
    [
        ("appendonly.aof", b"REDIS0009\xfa\tredis-ver", Stored(False, b"REDIS0009")),
        ("appendonly.aof", b"*2\r\n$6\r\nSELECT\r\n", Stored(False, b"")),
        ("appendonlydir/appendonly.aof.3.base.rdb", b"VALKEY080\xfa", Stored(True, b"VALKEY080")),
        ("appendonlydir/appendonly.aof.3.base.rdb", b"REDIS0012\xfa", Stored(True, b"REDIS0012")),
        ("appendonlydir/appendonly.aof.3.base.rdb", b"", Stored(True, b"")),
        ("appendonlydir/appendonly.aof.2.incr.aof", b"*2\r\n", Stored(True, b"")),
        ("dump.rdb", b"REDIS0099", None),  # never loaded: the append-only file is on
    ],
)
def test_what_lies_there(tmp_path: Path, file: str, data: bytes, expected: Stored | None) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    if expected is not None and expected.several_files:
        (path.parent / "appendonly.aof.manifest").write_text(
            "file appendonly.aof.3.base.rdb seq 3 type b\n"
            "file appendonly.aof.2.incr.aof seq 2 type i startoffset 0\n"
        )
    assert stored_in(tmp_path) == expected


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize(
    "header", ["REDIS0009", "REDIS0011", "REDIS0012", "VALKEY080", "VALKEY999"]
)
def test_the_check_says_what_the_server_does(tmp_path: Path, name: str, header: str) -> None:
    """The server is started on such data; whether it does is what the check must foretell."""
    one = server(name)
    several = one.version >= (7, 0)
    data = header.encode() + b"\xff" + bytes(8)
    if several:
        directory = tmp_path / "appendonlydir"
        directory.mkdir()
        (directory / "appendonly.aof.1.base.rdb").write_bytes(data)
        (directory / "appendonly.aof.manifest").write_text(
            "file appendonly.aof.1.base.rdb seq 1 type b\n"
        )
    else:
        (tmp_path / "appendonly.aof").write_bytes(data)
    foretold = can_read(one, Stored(several, header.encode()))
    process = PrivateRedis(one.path, tmp_path)
    try:
        process.start()
    except RuntimeError:
        started = False
    else:
        started = True
        process.stop()
    assert foretold is started


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("rewritten", [False, True], ids=["commands", "rdb"])
@pytest.mark.parametrize("later", SERVERS)
def test_no_server_is_put_on_data_that_it_loses(
    tmp_path: Path, name: str, later: str, rewritten: bool
) -> None:
    """From every server to every other: all of it is read, or the choice refuses and keeps it."""
    first, second = server(name), server(later)
    one = PrivateRedis(first.path, tmp_path)
    one.start()
    with redis.Redis.from_url(one.url, protocol=2) as client:
        fill(client)
        if rewritten:
            client.bgrewriteaof()
            wait_until_sync(lambda: _rewritten(client), what="the file is rewritten")
        before = content(client)
    one.stop()
    kept = sums(tmp_path)
    stored = stored_in(tmp_path)
    assert stored is not None
    if not can_read(second, stored):
        assert second.version != first.version
        with pytest.raises(UnreadableDataError, match="nothing was changed") as told:
            chosen_server(tmp_path, [second])
        assert f"mv {tmp_path}" in str(told.value)
        assert sums(tmp_path) == kept
        # The server that wrote it is used when it is there as well.
        chosen, why = chosen_server(tmp_path, [second, first])
        assert chosen == first
        assert f"{second} cannot read the data in" in why
        return
    assert chosen_server(tmp_path, [second, first]) == (second, "")
    two = PrivateRedis(second.path, tmp_path)
    two.start()
    try:
        with redis.Redis.from_url(two.url, protocol=2) as client:
            assert content(client) == before
    finally:
        two.stop()


def _rewritten(client: "redis.Redis") -> bool:
    info: Any = client.info("persistence")
    done = info["aof_rewrite_in_progress"] == info["aof_rewrite_scheduled"] == 0
    return bool(done and info["aof_last_rewrite_time_sec"] >= 0)


def test_the_newer_reads_the_older() -> None:
    """What users of the former wheel (Redis 6.2), and of Debian 12 (7.0), come with."""
    wheel = server("wheel")
    assert can_read(wheel, Stored(False, b"REDIS0009"))
    assert can_read(wheel, Stored(True, b"REDIS0010"))


def test_a_program_without_the_check_is_believed(tmp_path: Path) -> None:
    script = tmp_path / "redis-server"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    for path in (script, tmp_path / "absent"):
        assert can_read(Server(str(path), (8, 0)), Stored(True, b"VALKEY080"))


def test_a_redis_that_is_installed_later_leaves_the_data_alone(running: Running) -> None:
    """From the former wheel's 6.2 to this one's Valkey; then a Redis 7.0 comes onto PATH."""
    old, system, wheel = server("Redis 6.2"), server("system"), server("wheel")
    directory = running.home.parent
    nowhere = directory / "nowhere"
    nowhere.mkdir()
    system_reads = can_read(system, Stored(True, b"VALKEY080"))
    for path, used in (
        (only_on_path(directory / "old", old.path), old),
        (str(nowhere), wheel),
        (only_on_path(directory / "new", system.path), system if system_reads else wheel),
    ):
        launcher = running.up(running.api(), PATH=path)
        running.until_ready()
        url = (running.home / "redis.url").read_text().strip()
        with redis.Redis.from_url(url, protocol=2) as client:
            info: Any = client.info("server")
            assert Path(info["executable"]).resolve() == Path(used.path).resolve()
            if used == old:
                fill(client)
                before = content(client)
            else:
                assert content(client) == before
                client.bgrewriteaof()
                wait_until_sync(lambda: _rewritten(client), what="the file is rewritten")
        said = "cannot read the data in" in running.printed()
        assert said is (used == wheel and path != str(nowhere))
        assert running.stop(launcher) == 0
