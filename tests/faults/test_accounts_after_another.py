"""Another supervisor published its accounts: those of the owner come back by themselves."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from redis import Redis

from shared.models.account import MAX_EPOCH
from tests.deploy.flow import PASSWORD, Running, ok, set_up
from tests.supervisor.live import Boss, service, tree
from tests.support.programs import Program
from tests.support.wait import wait_until_sync

HOUR_MS = 3600 * 1000


class Stack:
    """A supervisor with one account and its API."""

    def __init__(self, home: Path, redis_url: str) -> None:
        self.running = Running(home, {"REDIS_URL": redis_url})
        self.supervisor: Program = self.running.start("supervisor")
        self.running.start_api()
        self.http = self.running.client()
        self.tokens = set_up(self.http)
        self.redis = Redis.from_url(redis_url, protocol=2)

    def epoch(self) -> int:
        """What Redis says."""
        return int(self.redis.hget("dumb:auth:settings", "epoch") or 0)

    def saved_epoch(self) -> int:
        """What users.json says."""
        return int(orjson.loads((self.running.home / "users.json").read_bytes())["epoch"])

    def serves(self) -> bool:
        """Whether the login from the beginning counts, and a password."""
        login = {"username": "alice", "password": PASSWORD}
        seen: httpx.Response = self.http.get("/process/processes")
        return seen.status_code == 200 and self.http.post("/auth/login", json=login).is_success

    def close(self) -> None:
        self.running.close()
        self.redis.close()


@pytest.fixture
def stack(tmp_path: Path, redis_url: str) -> Iterator[Stack]:
    stack = Stack(tmp_path / "one", redis_url)
    try:
        yield stack
    finally:
        if stack.supervisor.process.poll() is None:
            stack.supervisor.process.send_signal(signal.SIGCONT)
        stack.close()


@pytest.mark.parametrize("ahead_ms", [1, 400 * 24 * HOUR_MS])
def test_a_higher_epoch_is_exceeded_and_nobody_is_logged_out(stack: Stack, ahead_ms: int) -> None:
    """As a supervisor of the version before writes it beside ours; its clock may be wrong."""
    foreign = max(stack.epoch(), int(time.time() * 1000)) + ahead_ms
    with stack.redis.pipeline(transaction=True) as both:
        both.delete("dumb:auth:users")
        fields: dict[Any, Any] = {"epoch": foreign, "users": 0, "enabled": 0}
        both.hset("dumb:auth:settings", mapping=fields)
        both.execute()
    wait_until_sync(lambda: stack.epoch() > foreign, what="a higher epoch")
    wait_until_sync(stack.serves, what="the accounts")
    assert stack.saved_epoch() == stack.epoch()
    # Changes count after that, too.
    ok(stack.http.post("/auth/users", json={"username": "second", "password": PASSWORD}))
    assert stack.saved_epoch() == stack.epoch() > foreign


def test_an_epoch_that_no_supervisor_writes_is_not_believed(stack: Stack) -> None:
    for odd in (str(MAX_EPOCH + 1), "9" * 30, "-1", "x", "", "1e9"):
        stack.redis.hset("dumb:auth:settings", "epoch", odd)
        wait_until_sync(
            lambda odd=odd: stack.redis.hget("dumb:auth:settings", "epoch") != odd.encode(),  # type: ignore[misc]
            what=f"another epoch than {odd}",
        )
        assert 0 < stack.epoch() < 2 * time.time() * 1000
    wait_until_sync(stack.serves, what="the accounts")


def test_the_highest_epoch_of_all_leaves_a_sentence(stack: Stack) -> None:
    """None can be above it: a replica that has seen it has to be started again."""
    stack.redis.hset("dumb:auth:settings", "epoch", MAX_EPOCH)
    wait_until_sync(
        lambda: "Restart the API programs" in stack.supervisor.printed(), what="the sentence"
    )
    wait_until_sync(lambda: stack.epoch() < MAX_EPOCH, what="its own epoch")
    assert stack.saved_epoch() == stack.epoch()
    replica = stack.running.start_api()
    with replica.client() as http:
        assert http.post("/auth/login", json={"username": "alice", "password": PASSWORD}).is_success


def test_accounts_come_back_after_another_supervisor_had_the_claim(
    stack: Stack, tmp_path: Path, redis_url: str
) -> None:
    two = Boss(tmp_path / "two", redis_url, tree(service("yours")))
    try:
        os.kill(stack.supervisor.process.pid, signal.SIGSTOP)
        two.start()  # once the claim has run out; it has no accounts
        os.kill(stack.supervisor.process.pid, signal.SIGCONT)
        wait_until_sync(
            lambda: stack.http.get("/auth/status").json().get("enabled") is False,
            what="the API to see the accounts of the other one",
        )
        foreign = stack.epoch()
        assert two.stop() == 0
        wait_until_sync(lambda: stack.epoch() > foreign, what="a higher epoch")
        wait_until_sync(stack.serves, what="the accounts")
    finally:
        two.close()


def test_accounts_come_back_after_redis_was_emptied(stack: Stack) -> None:
    before = stack.epoch()
    stack.redis.flushall()
    login = {"username": "alice", "password": PASSWORD}
    wait_until_sync(
        lambda: stack.epoch() > before and stack.http.post("/auth/login", json=login).is_success,
        what="the accounts",
    )
