"""Two supervisors, each on a data directory of its own, and one Redis: one of them writes there."""

import os
import random
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.exceptions import ResponseError

from services.supervisor.identity import boot_id
from shared.exits import Exit
from tests.supervisor.live import Boss, service, shell, tree
from tests.support.rivals import heartbeat_without_claim, renewed_claim
from tests.support.rounds import Rounds
from tests.support.wait import wait_until_sync

CLAIM = "dumb:commands:claim"
STARTED = "echo $$ >>started; exec sleep 1000"
BEATING = {CLAIM, "dumb:supervisor", "dumb:environment"}
"""What the holder itself renews."""


@pytest.fixture
def one(tmp_path: Path, redis_url: str) -> Iterator[Boss]:
    boss = Boss(tmp_path / "one", redis_url, tree(shell("web", STARTED), service("mine")))
    try:
        boss.start()
        yield boss
    finally:
        _thaw(boss)
        boss.close()


@pytest.fixture
def two(tmp_path: Path, redis_url: str) -> Iterator[Boss]:
    """Not started yet."""
    boss = Boss(tmp_path / "two", redis_url, tree(shell("web", STARTED), service("yours")))
    try:
        yield boss
    finally:
        boss.close()


def _thaw(boss: Boss) -> None:
    if boss.runs:
        os.kill(boss.pid, signal.SIGCONT)


def holder(boss: Boss) -> dict[str, Any]:
    """Who stands in the claim, {} for none."""
    try:
        raw: Any = boss.redis.get(CLAIM)
        found: dict[str, Any] = orjson.loads(raw or "{}")
    except (ResponseError, ValueError):  # what a test has put there
        return {}
    return found


def holds(boss: Boss) -> bool:
    return holder(boss).get("pid") == boss.pid


def starts(boss: Boss) -> int:
    """How often its `web` was started."""
    file = boss.work("web", "started")
    return len(file.read_text().splitlines()) if file.exists() else 0


def wait_starts(boss: Boss, number: int) -> None:
    wait_until_sync(
        lambda: starts(boss) == number, what=f"start {number} of web in {boss.home}: {starts(boss)}"
    )


def contents(boss: Boss) -> dict[bytes, Any]:
    """Everything in Redis that its holder does not renew."""
    keys: Any = boss.redis.keys("*")
    return {key: boss.redis.dump(key) for key in keys if key.decode() not in BEATING}


def refused(boss: Boss, other: Boss) -> None:
    """It ends by itself, and its sentence names the other one."""
    before = boss.output.stat().st_size if boss.output.exists() else 0
    boss.start(ready=False)
    assert boss.wait() == Exit.IN_USE
    said = boss.output.read_bytes()[before:].decode()
    assert f"another supervisor on {socket.gethostname()}, data directory {other.home}" in said
    assert f"pid {other.pid}" in said
    assert "REDIS_URL" in said
    assert "DUMB_REDIS_PREFIX" in said
    assert "Traceback" not in said


def up(boss: Boss) -> None:
    """Start its `web`."""
    assert boss.run("start", "web")["status"] == "succeeded"
    wait_starts(boss, 1)


def works(boss: Boss) -> None:
    """It carries out what is asked over both streams."""
    for stream in ("commands", "triggers"):
        before = starts(boss)
        assert boss.run("restart", "web", stream=stream)["status"] == "succeeded"
        boss.wait_acknowledged(stream)
        wait_starts(boss, before + 1)
    own = b"mine" if boss.home.name == "one" else b"yours"
    assert boss.redis.smembers("dumb:services") == {b"DUMB API", b"web", own}


def test_a_foreign_one_ends_and_has_changed_nothing(one: Boss, two: Boss) -> None:
    works(one)
    one.wait_status("web", "running")
    pending: Any = one.redis.xadd("dumb:commands", {"action": "stop", "process_name": "mine"})
    one.result(pending.decode())
    one.wait_acknowledged()
    claim, before = one.redis.get(CLAIM), contents(one)
    refused(two, one)
    assert contents(one) == before
    assert one.redis.get(CLAIM) == claim
    # Neither has it changed anything of its own: no service was started.
    assert starts(two) == 0
    works(one)
    assert "in use" not in one.output.read_text()


def test_a_claim_that_runs_out_is_taken(one: Boss, two: Boss) -> None:
    up(one)
    one.kill()
    two.start()
    assert holds(two)
    works(two)
    one.start(ready=False)
    assert one.wait() == Exit.IN_USE
    assert f"data directory {two.home}, pid {two.pid}" in one.output.read_text()
    assert starts(one) == 1
    assert two.stop() == 0
    one.start()  # it gave the claim back, so this one need not wait
    works(one)


def test_a_successor_on_the_directory_takes_over_at_once(one: Boss) -> None:
    up(one)
    for _ in range(2):
        one.kill()
        # A dead one whose claim never runs out: only a stranger would have to watch it.
        with renewed_claim(one.redis):
            one.start()
            assert holds(one)
    assert starts(one) == 1
    works(one)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, Exit.OK), (signal.SIGUSR2, Exit.HANDED_OVER)]
)
def test_one_that_watches_can_be_told_to_end(
    one: Boss, two: Boss, number: signal.Signals, code: Exit
) -> None:
    one.kill()
    lock = two.home / "run" / "supervisor.lock"
    with renewed_claim(one.redis) as claim:  # until it is about to look
        two.start(ready=False)
        wait_until_sync(
            lambda: lock.exists() and lock.read_text() == f"{two.pid}\n", what="its lock"
        )
    assert two.stop(number) == code
    assert one.redis.get(CLAIM) == claim
    assert starts(two) == 0


def test_under_another_prefix_both_write(
    one: Boss, two: Boss, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMB_REDIS_PREFIX", "second:")
    two.start(ready=False)
    wait_until_sync(
        lambda: two.redis.hget("second:supervisor", "pid") == str(two.pid).encode(),
        what="the heartbeat under the other prefix",
    )
    works(one)
    assert two.stop() == 0
    assert one.runs


def test_a_copy_of_the_directory_is_a_stranger(one: Boss, two: Boss) -> None:
    one.kill()
    shutil.rmtree(two.home)
    shutil.copytree(one.home, two.home, ignore=shutil.ignore_patterns("*.in", "*.out", "logs"))
    assert (two.home / "run/supervisor.token").read_text()
    with renewed_claim(one.redis):
        two.start(ready=False)
        assert two.wait() == Exit.IN_USE
    one.start()
    works(one)


def test_a_frozen_one_stops_writing_until_it_has_the_claim_again(one: Boss, two: Boss) -> None:
    one.run("start", "mine")
    up(one)
    service_pid = int(one.service("mine")["pid"])
    os.kill(one.pid, signal.SIGSTOP)
    waiting = one.send("restart", "web")
    two.start()  # once the claim has run out
    os.kill(one.pid, signal.SIGCONT)
    wait_until_sync(lambda: "Redis is in use by" in one.output.read_text(), what="its sentence")
    # It supervises all the same, and tells its own disk alone.
    os.kill(service_pid, signal.SIGKILL)
    wait_until_sync(
        lambda: one.journalled()["mine"]["state"]["status"] == "exited", what="the journal"
    )
    beats: set[bytes] = set()

    def three_beats_of_two() -> bool:
        fields: Any = two.redis.hmget("dumb:supervisor", "pid", "heartbeat_at", "claim")
        pid, at, process = fields
        assert (int(pid), process.decode()) == (two.pid, holder(two)["process"])
        beats.add(at)
        return len(beats) > 3

    wait_until_sync(three_beats_of_two, what="heartbeats")
    works(two)
    assert two.result(waiting)["status"] == "succeeded"
    assert starts(one) == 1
    assert not one.redis.exists("dumb:service:mine")
    assert two.stop() == 0
    wait_until_sync(one.beats, what="the heartbeat of the first one")
    assert one.wait_status("mine", "exited")["exit_signal"] == "9"
    assert not one.redis.exists("dumb:service:yours")
    works(one)


def test_one_that_waits_ends_in_order_and_leaves_the_claim_to_its_holder(
    one: Boss, two: Boss
) -> None:
    os.kill(one.pid, signal.SIGSTOP)
    two.start()
    os.kill(one.pid, signal.SIGCONT)
    wait_until_sync(lambda: "Redis is in use by" in one.output.read_text(), what="its sentence")
    assert one.stop() == 0
    assert holds(two)
    works(two)
    assert two.beats()


@pytest.mark.parametrize("fault", ["flush", "delete", "type", "value", "no end"])
def test_the_claim_is_disturbed(one: Boss, two: Boss, fault: str) -> None:
    up(one)
    if fault == "flush":
        one.redis.flushall()
    elif fault == "type":
        with one.redis.pipeline(transaction=True) as both:
            both.delete(CLAIM)
            both.rpush(CLAIM, "mine")
            both.execute()
    elif fault == "value":
        one.redis.set(CLAIM, "nonsense")  # without an end: it gets one
    elif fault == "no end":
        one.redis.persist(CLAIM)
    else:
        one.redis.delete(CLAIM)
    wait_until_sync(lambda: holds(one) and one.redis.pttl(CLAIM) > 0, what="the claim again")
    wait_until_sync(lambda: one.redis.exists("dumb:service:web"), what="its services")
    wait_until_sync(one.beats, what="its heartbeat")
    works(one)
    refused(two, one)
    assert "Traceback" not in one.output.read_text()


def test_a_living_one_of_the_version_before_is_respected(two: Boss) -> None:
    with heartbeat_without_claim(two.redis):
        before = contents(two)
        two.start(ready=False)
        assert two.wait() == Exit.IN_USE
        assert "another supervisor on elsewhere, pid 4242" in two.output.read_text()
        assert contents(two) == before
        assert not two.redis.exists(CLAIM)
    two.start()  # its heart has stopped
    works(two)


def test_the_version_before_on_the_same_directory_is_succeeded_at_once(two: Boss) -> None:
    lock = two.home / "run" / "supervisor.lock"
    lock.parent.mkdir()
    lock.write_text("4242\n")
    node = socket.gethostname()
    with heartbeat_without_claim(two.redis, node=node, pid="4242", boot_id=boot_id()):
        two.launch(lambda: holds(two), "the claim")
    wait_until_sync(two.beats, what="its heartbeat")
    works(two)


def test_one_of_the_version_before_that_writes_beside_it_is_named(one: Boss) -> None:
    with heartbeat_without_claim(one.redis):
        wait_until_sync(
            lambda: "knows no claim" in one.output.read_text(), what="the sentence about it"
        )
    wait_until_sync(one.beats, what="its heartbeat")
    works(one)


class Faults:
    """One fault after another, each followed by what must be true then."""

    def __init__(self, one: Boss, two: Boss, rng: random.Random) -> None:
        self.one = one
        self.two = two
        self.rng = rng
        self.expected = starts(one)

    def kill(self) -> None:
        """With a restart under way, which is done once."""
        command = self._restart()
        self.one.kill()
        if self.rng.random() < 0.5:
            with renewed_claim(self.one.redis):
                self.one.start()
        else:
            self.one.start()
        self._done(command)

    def delete(self) -> None:
        command = self._restart()
        self.one.redis.delete(CLAIM)
        self._done(command)

    def foreign(self) -> None:
        command = self._restart()
        refused(self.two, self.one)
        self._done(command)

    def frozen(self) -> None:
        """Another one takes the claim meanwhile, and gives it back in one way or another."""
        os.kill(self.one.pid, signal.SIGSTOP)
        self.one.redis.delete(CLAIM)
        self.two.start()
        command = self.two.send("restart", "web")
        os.kill(self.one.pid, signal.SIGCONT)
        assert self.two.result(command)["status"] == "succeeded"
        if self.rng.random() < 0.5:
            assert self.two.stop() == 0
        else:
            self.two.kill()
            self.two.end_services()
        wait_until_sync(self.one.beats, timeout=20, what="the heartbeat of the first one")

    def frozen_alone(self) -> None:
        """No other one was there meanwhile, and what it had read is done once."""
        command = self._restart()
        os.kill(self.one.pid, signal.SIGSTOP)
        self.one.redis.pexpire(CLAIM, 1)
        wait_until_sync(lambda: not self.one.redis.exists(CLAIM), what="the end of the claim")
        os.kill(self.one.pid, signal.SIGCONT)
        self._done(command)

    def _restart(self) -> str:
        command = self.one.send("restart", "web", stream=self.rng.choice(["commands", "triggers"]))
        self.expected += 1
        if self.rng.random() < 0.5:  # somewhere on its way
            wait_until_sync(lambda: self.one.receipt(command), what="its receipt")
        return command

    def _done(self, command: str) -> None:
        receipt = self.one.result(command)
        assert receipt["status"] == "succeeded", receipt

    def check(self) -> None:
        wait_until_sync(lambda: holds(self.one), what="the claim")
        wait_until_sync(lambda: starts(self.one) >= self.expected, what="the starts")
        works(self.one)
        self.expected += 2
        assert starts(self.one) == self.expected
        assert self.one.pending() == self.one.pending("triggers") == 0


@pytest.mark.timeout(900)
def test_rounds_of_faults(one: Boss, two: Boss, rounds: Rounds) -> None:
    works(one)
    rng = random.Random(6)
    faults = Faults(one, two, rng)
    acts = [faults.kill, faults.delete, faults.foreign, faults.frozen, faults.frozen_alone]
    for number in range(rounds(50)):
        if number % len(acts) == 0:
            rng.shuffle(acts)
        acts[number % len(acts)]()
        faults.check()
    for boss in (one, two):
        assert "Traceback" not in boss.output.read_text() if boss.output.exists() else True
