"""One supervisor after another: what is adopted, what is not, and what is said about it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.exits import Exit
from tests.faults.observed import (
    Follower,
    block,
    carry_out,
    check_numbers,
    doubles,
    journal_records,
    living,
    on_disk,
    starts,
    wait_noted,
)
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

AWAY = "ended while the supervisor was away"


class Stack:
    """A supervisor over services that each test chooses, in a directory of the test's own."""

    def __init__(self, root: Path, redis_url: str) -> None:
        self.marks = root / "marks"
        self.marks.mkdir()
        modes = {"flood": "flood", "worker": "worker", "other": "worker", "stubborn": "stubborn"}
        services = {name: block(self.marks, name, mode) for name, mode in modes.items()}
        services["family"] = block(self.marks, "family", "family", stop_wait=2)
        services["wanted"] = block(self.marks, "wanted", "worker", enabled=True)
        self.boss = SupervisorProcess(root / "home", redis_url, services)
        self.boss.write_config(services, log_size="64M")
        self.journal = root / "home" / "run" / "journal.jsonl"

    def run(self, action: str, name: str, **fields: str) -> dict[str, str]:
        """Carry out a command, which must succeed."""
        return carry_out(self.boss, self.marks, action, name, **fields)

    def pid(self, name: str) -> int:
        """Of a service that runs."""
        return int(self.boss.service(name)["pid"])

    def succeed(self) -> None:
        """Start the next supervisor and wait until everything that it began is done."""
        self.boss.start()
        wait_until_sync(
            lambda: self.boss.redis.hget("dumb:supervisor", "phase") == b"ready",
            what="the successor to have started what it starts",
        )
        for name in ("wanted", "worker", "family"):
            if self.boss.service(name)["status"] == "running":
                wait_noted(self.boss, self.marks, name)

    def audit(self, action: str, name: str) -> list[str]:
        """The outcomes of that action on that service."""
        entries: Any = self.boss.redis.xrange("dumb:audit")
        return [
            fields[b"outcome"].decode()
            for _, fields in entries
            if (fields[b"action"], fields[b"target"]) == (action.encode(), name.encode())
        ]

    def edit_process(self, name: str, **changes: Any) -> None:
        """Change what the journal says of a service's process."""
        lines = []
        for record in journal_records(self.boss.home):
            if record.get("name") == name and record["process"]:
                record["process"] |= changes
            lines.append(orjson.dumps(record) + b"\n")
        self.journal.write_bytes(b"".join(lines))


@pytest.fixture
def stack(tmp_path: Path, redis_url: str) -> Iterator[Stack]:
    stack = Stack(tmp_path, redis_url)
    try:
        stack.succeed()
        yield stack
    finally:
        stack.boss.close()
        for name in ("family", "worker"):
            for pid in living(stack.marks, name):
                os.kill(pid, signal.SIGKILL)


def _gone(pid: int) -> bool:
    """Whether the process ended, reaped or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return stat.rsplit(b") ", 1)[1][:1] in {b"Z", b"X"}


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait_until_sync(lambda: _gone(pid), what=f"the end of {pid}")


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is none of ours and must live on, older than all that a test starts."""
    process = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    born, per_second = _start_ticks(process.pid), os.sysconf("SC_CLK_TCK")
    try:
        wait_until_sync(
            lambda: time.clock_gettime(time.CLOCK_BOOTTIME) * per_second > born + 1,
            what="a start to have another time than the stranger's",
        )
        yield process
        assert process.poll() is None, "somebody ended a process that was not ours"
    finally:
        process.kill()
        process.wait()


def _start_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rsplit(b") ", 1)[1].split()[19])


def test_a_handover_keeps_every_service_and_every_line(stack: Stack) -> None:
    follower = Follower(stack.boss.redis_url, stack.marks, ["flood"])
    for name in ("flood", "worker"):
        stack.run("start", name)
    follower.start()
    try:
        before = [stack.pid(name) for name in ("flood", "worker", "wanted")]
        for number in range(1, 4):
            wait_until_sync(lambda: len(follower.data["flood"]) > 0, what="some lines")
            assert stack.boss.stop(signal.SIGUSR2, timeout=10) == Exit.HANDED_OVER
            assert [len(living(stack.marks, n)) for n in ("flood", "worker")] == [1, 1]
            stack.succeed()
            assert [stack.pid(name) for name in ("flood", "worker", "wanted")] == before
            wait_until_sync(
                lambda number=number: len(stack.audit("adopt", "worker")) == number,  # type: ignore[misc]
                what="the audit",
            )
        last = follower.wait_for_last("flood")
    finally:
        follower.end()
    assert check_numbers(bytes(follower.data["flood"]), "flood") == last
    assert on_disk(stack.boss.home, "flood") == follower.data["flood"]
    assert stack.run("restart", "worker")["detail"] == "restarted"
    assert stack.boss.service("worker")["generation"] == "2"


def test_a_command_under_way_at_a_handover_is_finished_by_the_successor(stack: Stack) -> None:
    stack.run("start", "stubborn")
    command = stack.boss.send("stop", "stubborn", id="under-way")
    stack.boss.wait_status("stubborn", "stopping")
    assert stack.boss.stop(signal.SIGUSR2, timeout=10) == Exit.HANDED_OVER
    stack.succeed()
    assert stack.boss.result(command)["status"] == "succeeded"
    assert stack.boss.service("stubborn")["status"] == "stopped"
    assert not living(stack.marks, "stubborn")


def test_a_service_that_died_unwatched_is_reported_and_started_again(stack: Stack) -> None:
    stack.run("start", "worker")
    stack.boss.kill()
    _kill(starts(stack.marks, "worker")[0][0])
    stack.succeed()
    wait_until_sync(lambda: stack.audit("exit", "worker") == [AWAY], what="the audit")
    states = [r["state"] for r in journal_records(stack.boss.home) if r.get("name") == "worker"]
    exited = [state for state in states if state["status"] == "exited"]
    assert {state["exit_reason"] for state in exited} == {AWAY}
    assert (exited[0]["pid"], exited[0]["exit_code"]) == (None, None)
    # It was wanted, so the successor starts it; nothing of the old run is left in its state.
    state = stack.boss.wait_status("worker", "running")
    assert (state["generation"], state["exit_reason"]) == ("2", "")
    assert len(starts(stack.marks, "worker")) == 2


def test_what_a_person_stopped_stays_stopped_after_a_crash(stack: Stack) -> None:
    """`enabled` starts it after a clean end, not after a crash."""
    stack.run("stop", "wanted")
    for _ in range(2):
        stack.boss.kill()
        stack.succeed()
        assert stack.boss.service("wanted")["status"] == "stopped"
        assert stack.boss.service("wanted")["desired"] == "down"
    assert len(starts(stack.marks, "wanted")) == 1
    assert stack.boss.stop() == 0
    stack.succeed()
    stack.boss.wait_status("wanted", "running")
    assert len(starts(stack.marks, "wanted")) == 2


def test_a_shutdown_that_was_cut_short_stops_nobody_for_good(stack: Stack) -> None:
    """Its stops are not a person's: a container that is killed while it ends comes back."""
    stack.run("start", "worker")
    stack.run("start", "family")
    wait_until_sync(lambda: starts(stack.marks, "family-child"), what="a child that stays")
    os.kill(stack.boss.pid, signal.SIGTERM)
    wait_until_sync(
        lambda: stack.boss.journalled()["worker"]["state"]["status"] == "stopped",
        what="the worker to be stopped",
    )
    stack.boss.kill()
    stack.succeed()
    stack.boss.wait_status("worker", "running")
    stack.boss.wait_status("wanted", "running")
    stack.boss.wait_status("family", "running")


def test_survivors_of_a_dead_leader_are_ended_before_the_next_start(stack: Stack) -> None:
    stack.run("start", "family")
    wait_until_sync(lambda: starts(stack.marks, "family-child"), what="the child")
    ((leader, _),) = starts(stack.marks, "family")
    ((child, _),) = starts(stack.marks, "family-child")
    stack.boss.kill()
    _kill(leader)
    assert not _gone(child)
    stack.succeed()
    stack.boss.wait_status("family", "running")
    assert _gone(child)
    wait_until_sync(lambda: len(starts(stack.marks, "family-child")) == 2, what="the next child")
    assert len(living(stack.marks, "family")) == 2
    assert not doubles(stack.marks)


def test_a_process_that_reuses_the_pid_is_left_alone(
    stack: Stack, stranger: "subprocess.Popen[bytes]"
) -> None:
    stack.run("start", "worker")
    stack.boss.kill()
    _kill(starts(stack.marks, "worker")[0][0])
    stack.edit_process("worker", pid=stranger.pid)
    stack.succeed()
    assert stack.audit("adopt", "worker") == []
    wait_until_sync(lambda: stack.audit("exit", "worker") == [AWAY], what="the audit")
    assert stack.pid("worker") == starts(stack.marks, "worker")[1][0]


def test_a_process_of_another_boot_is_left_alone(
    stack: Stack, stranger: "subprocess.Popen[bytes]"
) -> None:
    """Pid and start time are right, by chance; the boot id is not."""
    stack.run("start", "worker")
    stack.boss.kill()
    _kill(starts(stack.marks, "worker")[0][0])
    ticks = _start_ticks(stranger.pid)
    stack.edit_process("worker", pid=stranger.pid, start_ticks=ticks, boot_id="another")
    stack.succeed()
    assert stack.audit("adopt", "worker") == []
    assert stack.pid("worker") == starts(stack.marks, "worker")[1][0]
    stack.run("stop", "worker")


@pytest.mark.parametrize(
    "tail", [b'{"k":"service","name":"wor', b"\x00" * 4096, b"\xff\xfe junk\n"]
)
def test_a_torn_journal_loses_nothing_else(stack: Stack, tail: bytes) -> None:
    stack.run("start", "worker", id="once")
    stack.run("restart", "worker", id="again")
    pid = stack.pid("worker")
    stack.boss.kill()
    data = stack.journal.read_bytes().rstrip(b"\0")
    stack.journal.write_bytes(data + tail)
    stack.succeed()
    assert stack.pid("worker") == pid
    stack.boss.redis.delete("dumb:command:again")  # only the journal knows now
    stack.run("restart", "worker", id="again", stream="triggers")
    assert len(starts(stack.marks, "worker")) == 2
    stack.run("restart", "worker", id="anew")
    assert len(starts(stack.marks, "worker")) == 3
