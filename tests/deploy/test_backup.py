"""deploy/backup and deploy/restore, on a stack that runs meanwhile."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.flow import PASSWORD, WEB, Running, ok, set_up, start_and_read
from tests.support.programs import PROJECT
from tests.support.redis_server import PrivateRedis, find_redis_server
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis


def call(script: str, *arguments: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(PROJECT / "deploy" / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def used(place: Path) -> Iterator[str]:
    """A stack with an account, a change and a line; its access token."""
    redis = PrivateRedis(find_redis_server(), place / "redis")
    redis.start()
    running = Running(place / "home", {"REDIS_URL": redis.url})
    try:
        running.start("supervisor")
        running.start_api()
        http = running.client()
        token = set_up(http)["access_token"]
        start_and_read(http)
        ok(http.post("/config", json={"updates": {"tz": "Europe/Lisbon"}}))
        yield token
    finally:
        running.close()
        redis.stop()


def test_without_redis_all_but_logins_comes_back(place: Path) -> None:
    with used(place):
        done = call("backup", place / "b.tar.gz", place / "home")
        assert (done.returncode, done.stderr) == (0, "")
    done = call("restore", place / "b.tar.gz", place / "new")
    assert (done.returncode, done.stderr) == (0, "")
    check(place, PrivateRedis(find_redis_server(), place / "redis2"), "")


def test_with_redis_logins_go_on(place: Path) -> None:
    def is_on_disk() -> bool:
        files = [f for f in (place / "redis").rglob("*aof*") if f.is_file()]
        return any(b"dumb:session:" in f.read_bytes() for f in files)

    (place / "config").mkdir()
    with used(place) as token:
        wait_until_sync(is_on_disk, what="the login in the append-only file")
        sources = (place / "home", place / "config", place / "redis")
        done = call("backup", place / "b.tar.gz", *sources)
        assert (done.returncode, done.stderr) == (0, "")
    targets = (place / "new", place / "config2", place / "redis2")
    done = call("restore", place / "b.tar.gz", *targets)
    assert (done.returncode, done.stderr) == (0, "")
    check(place, PrivateRedis(find_redis_server(), place / "redis2"), token)


def check(place: Path, redis: PrivateRedis, token: str) -> None:
    """What runs on the restored directories knows what was so; `token` "" logs in anew."""
    redis.start()
    running = Running(place / "new", {"REDIS_URL": redis.url}, None)
    try:
        running.start("supervisor")
        running.start_api()
        http = running.client()
        if not token:
            body = {"username": "alice", "password": PASSWORD}
            token = ok(http.post("/auth/login", json=body))["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        assert ok(http.get("/config"))["tz"] == "Europe/Lisbon"
        assert "I am up" in ok(http.get("/logs", params={"process_name": WEB}))["chunk"]
        start_and_read(http)
    finally:
        running.close()
        redis.stop()


def test_what_cannot_be_done_is_said(place: Path) -> None:
    (place / "full").mkdir()
    (place / "full" / "file").touch()
    (place / "no.tar.gz").write_text("no")
    assert "is no directory" in call("backup", place / "x", place / "missing").stderr
    assert "cannot be read" in call("restore", place / "missing", place / "new").stderr
    assert "is no backup" in call("restore", place / "no.tar.gz", place / "new").stderr
    call("backup", place / "b.tar.gz", place / "full")
    done = call("restore", place / "b.tar.gz", place / "full")
    assert done.returncode == 73
    assert "is not empty" in done.stderr
    assert (
        "holds no directory 'config'"
        in call("restore", place / "b.tar.gz", place / "n", place / "c").stderr
    )
    assert call("backup").returncode == 64
    assert (place / "b.tar.gz").stat().st_mode & 0o077 == 0
