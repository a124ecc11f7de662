"""The parts of the launcher that need no launcher."""

import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.launcher import redis_binary
from services.launcher.api_port import PortError, is_live, refuse_taken
from services.launcher.backoff import next_delay
from services.launcher.handover import take_over
from services.launcher.home import HomeLock, make_home
from services.launcher.private_redis import prepare
from services.launcher.programs import own_redis
from services.launcher.redis_binary import NoRedisError, Server, parse_version, redis_servers
from services.launcher.redis_ping import Ping, RedisRefusedError, ping
from shared.errors import DumbError
from shared.lock import holder
from shared.redis_tools import in_wheel, without_wheel
from shared.redis_url import RedisAddress
from tests.support.redis_server import PrivateRedis, free_port, only_on_path


@pytest.mark.parametrize(
    ("last", "alive", "expected"),
    [(0, 0, 0.2), (0.2, 1, 0.4), (3.2, 1, 5.0), (5.0, 9.9, 5.0), (5.0, 10, 0.2), (0, 99, 0.2)],
)
def test_backoff_doubles_to_five_seconds(last: float, alive: float, expected: float) -> None:
    assert next_delay(last, alive) == expected


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", (7, 0)),
        ("Valkey server v=8.1.1 sha=00000000:0", (8, 1)),
        ("Redis server v=6.2.14 sha=40305114:0", (6, 2)),
        ("pyenv: redis-server: command not found", (0, 0)),
    ],
)
def test_versions(printed: str, version: tuple[int, int]) -> None:
    assert parse_version(printed) == version


def test_an_old_redis_on_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=5.0.7 sha=00000000:0'\n")
    old.chmod(0o755)
    new = tmp_path / "valkey-server"
    new.write_text("#!/bin/sh\necho 'Valkey server v=7.2.5 sha=00000000:0'\n")
    new.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_servers()[0] == Server(str(new), (7, 2))


def test_the_path_comes_before_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = in_wheel()
    if wheel is None:
        pytest.skip("there is no wheel for this machine, or it is not installed")
    monkeypatch.setenv("PATH", only_on_path(tmp_path, wheel))
    assert [server.path for server in redis_servers()] == [str(tmp_path / "redis-server"), wheel]
    monkeypatch.setenv("PATH", "")
    assert [server.path for server in redis_servers()] == [wheel]


@pytest.mark.parametrize(
    ("machine", "bits", "libc", "why"),
    [
        ("x86_64", 64, (2, 28), ""),
        ("aarch64", 64, (2, 41), ""),
        ("armv7l", 32, (2, 36), "a 32-bit system (armv7l)"),
        ("aarch64", 32, (2, 36), "a 32-bit system (aarch64)"),  # a 32-bit Raspberry Pi OS
        ("x86_64", 64, None, "a system without glibc (musl)"),
        ("x86_64", 64, (2, 17), "glibc 2.17"),
        ("riscv64", 64, (2, 39), "the processor riscv64"),
    ],
)
def test_machines_with_a_wheel(
    machine: str, bits: int, libc: tuple[int, int] | None, why: str
) -> None:
    assert without_wheel(machine, bits, libc) == why


@pytest.mark.parametrize(
    ("libc", "why", "package"),
    [
        ((2, 36), "a 32-bit system (armv7l)", "redis-server (`apt install redis-server`)"),
        (None, "a system without glibc (musl)", "valkey (`apk add valkey`)"),
        ((2, 36), "", "run `make run`"),
    ],
)
def test_without_a_redis_the_sentence_names_a_package(
    monkeypatch: pytest.MonkeyPatch, libc: tuple[int, int] | None, why: str, package: str
) -> None:
    monkeypatch.setenv("PATH", "")
    for name, answer in (("in_wheel", None), ("glibc", libc), ("without_wheel_here", why)):
        monkeypatch.setattr(redis_binary, name, lambda answer=answer: answer)
    with pytest.raises(NoRedisError, match=f"^No Redis was found: .*{re.escape(package)}") as told:
        redis_servers()
    assert why in str(told.value)


def test_the_port_stays_while_it_is_free(tmp_path: Path) -> None:
    first = prepare(tmp_path, "redis-server")
    assert prepare(tmp_path, "redis-server").tcp == first.tcp
    with socket.create_server(("127.0.0.1", first.tcp.port)):
        moved = prepare(tmp_path, "redis-server")
    assert moved.tcp.port != first.tcp.port
    assert moved.tcp.password == first.tcp.password
    assert len(first.tcp.password) == 64


def test_a_long_path_means_no_unix_socket(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    assert prepare(home, "redis-server").unix is None
    assert "unixsocket" not in (home / "redis" / "redis.conf").read_text()


@pytest.mark.redis
def test_a_home_with_spaces_and_quotes_works(tmp_path: Path) -> None:
    home = tmp_path / 'a "b" c'
    private = prepare(home, "redis-server")
    assert 'a \\"b\\" c' in private.conf.read_text()


@contextmanager
def answering(answer: bytes) -> Iterator[RedisAddress]:
    """A server that gives the same answer to the first thing that it is told."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _peer = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield RedisAddress(port=server.getsockname()[1])
        thread.join()


def test_ping_tells_loading_from_refusal() -> None:
    with answering(b"-LOADING Redis is loading the dataset in memory\r\n") as address:
        assert ping(address) is Ping.LOADING
    with answering(b"-NOPERM this user has no permissions\r\n") as address:
        assert ping(address) is Ping.OK
    for words in (b"HTTP/1.1 400 Bad Request\r\n", b"-DENIED Redis is in protected mode\r\n"):
        with answering(words) as address, pytest.raises(RedisRefusedError):
            ping(address)


@pytest.mark.redis
def test_ping_over_both_sockets(private_redis: PrivateRedis) -> None:
    tcp = RedisAddress(port=private_redis.port, user="default", password="pw")
    unix = RedisAddress(path=str(private_redis.socket_path), password="pw")
    assert ping(tcp) is ping(unix) is Ping.OK
    with pytest.raises(RedisRefusedError, match="NOAUTH"):
        ping(RedisAddress(port=private_redis.port))


def test_a_port_that_cannot_be_used_is_told() -> None:
    with pytest.raises(PortError, match="cannot be used"):
        refuse_taken("192.0.2.1", free_port(), "dumb_config.json")
    assert not is_live("127.0.0.1", free_port())


def test_a_directory_in_use_keeps_its_mode(tmp_path: Path) -> None:
    in_use, fresh = tmp_path / "in_use", tmp_path / "fresh"
    for home in (in_use, fresh):
        home.mkdir(mode=0o755)
    (in_use / "file").touch()
    make_home(in_use)
    make_home(fresh)
    assert in_use.stat().st_mode & 0o777 == 0o755
    assert fresh.stat().st_mode & 0o777 == 0o700


def test_the_lock_names_its_holder_and_remembers_a_kill(tmp_path: Path) -> None:
    make_home(tmp_path)
    lock = HomeLock(tmp_path)
    assert holder(lock.path) is None
    lock.acquire()
    assert holder(lock.path) == os.getpid()
    first = lock.left_behind
    lock.release()
    assert holder(lock.path) is None
    lock.path.write_text("4711\n")  # what a killed launcher leaves
    lock.acquire()
    assert (first, lock.left_behind) == (False, True)
    lock.release()


def test_a_foreign_holder_of_the_supervisor_lock_is_left_alone(tmp_path: Path) -> None:
    make_home(tmp_path)
    lock = HomeLock(tmp_path)  # held by this test, which is no supervisor
    lock.acquire()
    with pytest.raises(DumbError, match=f"pid {os.getpid()}, which is no supervisor"):
        take_over(lock.path)
    lock.release()
    assert take_over(lock.path) is None


def test_a_program_may_be_another_user_of_redis() -> None:
    environ = {
        "REDIS_URL": "redis://supervisor@redis:6379/0",
        "DUMB_REDIS_URL_METRICS": "redis://metrics@redis:6379/0",
        "DUMB_REDIS_PASSWORD_FILE_METRICS": "/run/secrets/redis_metrics",
    }
    assert own_redis("metrics", environ) == {
        "REDIS_URL": "redis://metrics@redis:6379/0",
        "DUMB_REDIS_PASSWORD_FILE": "/run/secrets/redis_metrics",
    }
    assert own_redis("api", environ) == {}
    # A URL with its password in it does without the file of the others.
    environ["DUMB_REDIS_PASSWORD_FILE_METRICS"] = ""
    assert own_redis("metrics", environ)["DUMB_REDIS_PASSWORD_FILE"] == ""
