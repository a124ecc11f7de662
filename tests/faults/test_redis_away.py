"""Redis stops, dies, comes back empty or with old data: supervision goes on, nothing is lost."""

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from tests.faults.observed import (
    Follower,
    block,
    carry_out,
    check_numbers,
    on_disk,
    starts,
    wait_noted,
)
from tests.faults.operating import Operator
from tests.support.redis_server import PrivateRedis
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

WRITERS = ("flood", "slow")


class Stack:
    """A supervisor on a Redis of the test's own, two writers that are followed, and others."""

    def __init__(self, root: Path, redis: PrivateRedis) -> None:
        self.marks = root / "marks"
        self.marks.mkdir()
        self.redis = redis
        self.services = {
            "flood": block(self.marks, "flood", "flood"),
            "slow": block(self.marks, "slow", "slow"),
            "victim": block(self.marks, "victim", "worker"),
            "worker": block(self.marks, "worker", "worker"),
            "gone": block(self.marks, "gone", "worker"),
        }
        self.supervisor = SupervisorProcess(root / "home", redis.url, self.services)
        self.write_config()
        self.follower = Follower(redis.url, self.marks, list(WRITERS))
        self.supervisor.start()
        for name in (*WRITERS, "victim"):
            self.run("start", name)
        self.follower.start()

    def write_config(self) -> None:
        """All logs are kept on disk: what is checked there must be there."""
        self.supervisor.write_config(self.services, log_size="1M", log_count=100)

    def run(self, action: str, name: str, **fields: str) -> None:
        """Carry out a command, which must succeed."""
        carry_out(self.supervisor, self.marks, action, name, **fields)

    def crash_victim(self) -> None:
        """Kill a service; wait until the supervisor wrote down that it knows."""
        (pid, _), *_ = starts(self.marks, "victim")
        os.kill(pid, signal.SIGKILL)
        wait_until_sync(
            lambda: self.supervisor.journalled()["victim"]["state"]["status"] == "exited",
            what="the supervisor to see a crash without Redis",
        )

    def logs_grow(self) -> None:
        """A service writes and the supervisor captures, whatever Redis does.

        Not asked of `flood`: it is as far ahead of its reader as it may be.
        """
        before = len(on_disk(self.supervisor.home, "slow"))
        wait_until_sync(
            lambda: len(on_disk(self.supervisor.home, "slow")) > before, what="slow to go on"
        )

    def check_recovery(self, *, crashed: bool = True) -> None:
        """Heartbeat, states and every line are there again."""
        away = time.time()
        wait_until_sync(
            lambda: float(self._heartbeat() or 0) > away, what="the heartbeat to come back"
        )
        if crashed:
            victim = self.supervisor.wait_status("victim", "exited")
            assert victim["exit_signal"] == "9"
        for name in WRITERS:
            assert self.supervisor.service(name)["status"] == "running"
            assert len(starts(self.marks, name)) == 1
            last = self.follower.wait_for_last(name)
            assert check_numbers(bytes(self.follower.data[name]), name) == last
            assert on_disk(self.supervisor.home, name) == self.follower.data[name]

    def _heartbeat(self) -> bytes | None:
        value = self.supervisor.redis.hget("dumb:supervisor", "heartbeat_at")
        assert value is None or isinstance(value, bytes)
        return value

    def close(self) -> None:
        """End everything but Redis."""
        self.follower.end()
        self.supervisor.close()


@pytest.fixture
def stack(tmp_path: Path, fresh_redis: PrivateRedis) -> Iterator[Stack]:
    stack = Stack(tmp_path, fresh_redis)
    try:
        yield stack
    finally:
        stack.close()


def _save(redis: PrivateRedis, to: Path) -> None:
    """The append-only files as they are now (one in Redis 6, a directory in Redis 7)."""
    for path in redis.directory.glob("appendonly*"):
        if path.is_dir():
            shutil.copytree(path, to / path.name)
        else:
            to.mkdir(exist_ok=True)
            shutil.copy(path, to)


def _replace(redis: PrivateRedis, by: Path | None) -> None:
    """Put saved files, or none, in the place of those of a Redis that does not run."""
    for path in redis.directory.glob("appendonly*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if by is not None:
        shutil.copytree(by, redis.directory, dirs_exist_ok=True)


def test_a_redis_that_stands_still(stack: Stack) -> None:
    command = stack.supervisor.send("start", "worker")
    began = time.monotonic()
    os.kill(stack.redis.pid, signal.SIGSTOP)
    try:
        stack.crash_victim()
        stack.logs_grow()
        time.sleep(max(0.0, began + 3 - time.monotonic()))  # the fault: three seconds of nothing
    finally:
        os.kill(stack.redis.pid, signal.SIGCONT)
    assert stack.supervisor.result(command)["status"] == "succeeded"
    wait_noted(stack.supervisor, stack.marks, "worker")
    assert len(starts(stack.marks, "worker")) == 1
    stack.check_recovery()


def test_a_redis_that_is_killed_and_comes_back_with_its_data(stack: Stack) -> None:
    stack.run("start", "worker")
    # The command is on the stream, but delivered to nobody when Redis dies.
    os.kill(stack.supervisor.pid, signal.SIGSTOP)
    command = stack.supervisor.send("restart", "worker", id="across-the-kill")
    stack.redis.kill()
    os.kill(stack.supervisor.pid, signal.SIGCONT)
    stack.crash_victim()
    stack.logs_grow()
    stack.redis.start()
    assert stack.supervisor.result(command)["status"] == "succeeded"
    wait_noted(stack.supervisor, stack.marks, "worker")
    stack.check_recovery()
    assert len(starts(stack.marks, "worker")) == 2


def test_a_redis_that_comes_back_empty(stack: Stack) -> None:
    stack.run("start", "worker")
    stack.redis.kill()
    stack.crash_victim()
    stack.logs_grow()
    _replace(stack.redis, None)
    stack.redis.start()
    stack.check_recovery()
    members: Any = stack.supervisor.redis.smembers("dumb:services")
    names = {raw.decode() for raw in members}
    assert names == {*stack.services, "DUMB API"}
    stack.run("restart", "worker")
    assert len(starts(stack.marks, "worker")) == 2


def test_a_redis_that_comes_back_with_an_old_file(stack: Stack, tmp_path: Path) -> None:
    """It does not know that a command was carried out and that a service left: we do."""
    stack.run("start", "worker")
    os.kill(stack.supervisor.pid, signal.SIGSTOP)
    command = stack.supervisor.send("restart", "worker", id="run-before-the-copy-came-back")
    _save(stack.redis, tmp_path / "saved")
    os.kill(stack.supervisor.pid, signal.SIGCONT)
    assert stack.supervisor.result(command)["status"] == "succeeded"
    wait_noted(stack.supervisor, stack.marks, "worker")
    assert len(starts(stack.marks, "worker")) == 2
    del stack.services["gone"]
    stack.write_config()
    wait_until_sync(
        lambda: not stack.supervisor.redis.exists("dumb:service:gone"),
        what="the hash of a removed service to go",
    )
    stack.redis.kill()
    stack.crash_victim()
    stack.logs_grow()
    _replace(stack.redis, tmp_path / "saved")
    stack.redis.start()
    assert stack.supervisor.redis.exists("dumb:service:gone") or stack.supervisor.beats()
    stack.check_recovery()
    assert not stack.supervisor.redis.exists("dumb:service:gone")
    assert not stack.supervisor.redis.sismember("dumb:services", "gone")
    assert stack.supervisor.result(command)["status"] == "succeeded"
    wait_noted(stack.supervisor, stack.marks, "worker")
    assert len(starts(stack.marks, "worker")) == 2


def test_a_stream_that_is_ahead_starts_anew_under_another_generation(stack: Stack) -> None:
    """Somebody's XADD with a time as its id: no later offset would ever be accepted."""
    redis = stack.supervisor.redis
    wait_until_sync(lambda: redis.exists("dumb:logmeta:slow"), what="the first lines")
    before = redis.hget("dumb:logmeta:slow", "generation")
    redis.xadd("dumb:log:slow", {"chunk": b"not ours\n"})
    wait_until_sync(
        lambda: redis.hget("dumb:logmeta:slow", "generation") not in {None, before},
        what="a new generation",
    )
    wait_until_sync(
        lambda: (
            b"not ours" not in stack.supervisor.log("slow")
            and stack.supervisor.log("slow").startswith(
                on_disk(stack.supervisor.home, "slow")[:4096]
            )
        ),
        what="the log as it is on disk",
    )


def test_cut_connections_run_every_command_once(stack: Stack) -> None:
    rng = random.Random(os.environ.get("DUMB_FAULT_SEED") or 7)
    operator = Operator(stack.supervisor, stack.marks, "worker", rng)
    knife = Redis.from_url(stack.redis.url, protocol=2)
    try:
        for _ in range(15):
            operator.submit(operator.choose())
            time.sleep(rng.uniform(0, 0.05))  # the fault hits anywhere in a command
            knife.client_kill_filter(_type=rng.choice(["normal", "normal", "pubsub"]), skipme=True)
            operator.settle()
            operator.again()
    finally:
        knife.close()
        operator.close()
    stack.check_recovery(crashed=False)
    assert len(starts(stack.marks, "worker")) == operator.expected
