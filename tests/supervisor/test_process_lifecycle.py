"""Real children of a running supervisor: how they start, fail, end and are ended."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from shared.models.service import ServiceState
from tests.supervisor.live import (
    Boss,
    gated_port,
    gone,
    is_root,
    messages,
    program,
    service,
    shell,
    supervisor,
    wait_gone,
)
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

WINDOW = {"start_window": 5}
TAKEN_PORT = free_port()
FAILING = "echo 'connecting' ; echo 'ERROR token=abc123 was refused' >&2; echo bye >&2; exit 3"


@pytest.fixture(scope="module")
def boss(private_redis: PrivateRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boss]:
    home = tmp_path_factory.mktemp("boss")
    plain_file = home / "not-a-program"
    plain_file.write_text("#!/bin/sh\n")
    blocks = [
        shell("fails", FAILING, **WINDOW),
        shell("fails silently", "exit 4", **WINDOW),
        shell("fails without newline", "printf 'no such file: x' >&2; exit 5", **WINDOW),
        shell("killed early", "kill -9 $$", **WINDOW),
        shell("ends well", "echo done; exit 0", **WINDOW),
        service("no command", None),
        service("not found", ["no-such-program"]),
        service("not there", ["/no/such/program"]),
        service("not executable", [str(plain_file)]),
        service("no directory", config_dir="/no/such/directory"),
        gated_port("gated", free_port()),
        gated_port("taken", TAKEN_PORT),
        gated_port("late", free_port()) | {"start_timeout": 0.1},
        gated_port("dies before its port", free_port()),
        program("family", "family.sh", stop_wait=0.3),
        program("orphans", "family.sh"),
        program("stubborn", "stubborn.sh", stop_wait=0.05, stop_attempts=2),
        service("crashes"),
        shell("exits", "read line < fifo; exit 7"),
        service("followed"),
        shell("environment", "env > env.txt; touch up; exec sleep 1000"),
        shell("interrupted", "trap 'touch int; exit 0' INT; touch up; while :; do sleep 0.02; done")
        | {"stop_signal": "SIGINT"},
        shell("user", "id > id.txt; touch up; exec sleep 1000", puid=1234, pgid=1235),
        shell("writes as its user", "echo mine > file; touch up; exec sleep 1000", puid=1234),
    ]
    with supervisor(home, private_redis, *blocks) as boss:
        yield boss


# -- starting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "why", "code"),
    [
        ("fails", "exit code 3): ERROR token=[REDACTED] was refused", "3"),
        ("fails silently", "exit code 4).", "4"),
        ("fails without newline", "exit code 5): no such file: x", "5"),
        ("killed early", "killed by SIGKILL).", ""),
        ("ends well", "exit code 0): done", "0"),
    ],
)
def test_an_end_inside_the_window_is_a_failure(boss: Boss, name: str, why: str, code: str) -> None:
    receipt = boss.run("start", name)
    assert receipt["status"] == "failed"
    assert receipt["detail"] == f"{name} failed to stay running ({why}"
    state = boss.wait_status(name, "failed")
    assert (state["exit_code"], state["exit_reason"]) == (code, receipt["detail"])
    assert (state["pid"], state["desired"], state["health"]) == ("", "up", "unhealthy")
    assert orjson.loads(state["restart"])["last_exit_reason"] == receipt["detail"]
    # It answered at once, not when the window was over.
    assert float(receipt["finished_at"]) - float(receipt["started_at"]) < 4


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no command", "'no command' has no command: set 'command' in its block"),
        ("not found", "The command of 'not found' was not found on PATH: no-such-program."),
        ("not there", "The command of 'not there' was not found: /no/such/program."),
        ("not executable", "The command of 'not executable' is not executable: "),
        ("no directory", "The config_dir /no/such/directory does not exist"),
    ],
)
def test_what_cannot_be_started_says_why(boss: Boss, name: str, words: str) -> None:
    receipt = boss.run("start", name)
    assert receipt["status"] == "failed"
    assert receipt["detail"].startswith(words)
    state = boss.wait_status(name, "failed")
    assert (state["exit_reason"], state["generation"]) == (receipt["detail"], "0")
    # Nothing has to be stopped, and a stop says so.
    assert boss.run("stop", name)["detail"] == "was not running"
    assert boss.service(name)["status"] == "stopped"


def test_started_means_that_the_port_answers(boss: Boss) -> None:
    command = boss.send("start", "gated")
    state = boss.wait_status("gated", "starting")
    assert (state["ready_at"], state["health"]) == ("", "starting")
    assert boss.receipt(command)["status"] == "running"
    boss.open_gate("gated")
    assert boss.result(command)["status"] == "succeeded"
    state = boss.service("gated")
    assert (state["status"], state["health"]) == ("running", "healthy")
    assert float(state["ready_at"]) >= float(state["started_at"])
    assert orjson.loads(state["health_details"])["probe"] == "process_and_ports"


def test_a_taken_port_is_noticed_before_the_start(boss: Boss) -> None:
    with socket.create_server(("127.0.0.1", TAKEN_PORT)):
        receipt = boss.run("start", "taken")
    assert receipt["status"] == "failed"
    assert receipt["detail"].startswith(f"Port {TAKEN_PORT} of 'taken' is taken by another program")
    assert boss.service("taken")["generation"] == "0"
    boss.open_gate("taken")
    assert boss.run("start", "taken")["status"] == "succeeded"


def test_a_late_port_is_a_failed_start_and_a_running_service(boss: Boss) -> None:
    receipt = boss.run("start", "late")
    assert receipt["status"] == "failed"
    assert "was not ready within 0.1 s" in receipt["detail"]
    assert boss.service("late")["status"] == "starting"
    boss.open_gate("late")
    boss.wait_status("late", "running")
    assert boss.service("late")["generation"] == "1"


def test_an_end_while_the_port_is_awaited(boss: Boss) -> None:
    command = boss.send("start", "dies before its port")
    os.kill(int(boss.wait_status("dies before its port", "starting")["pid"]), signal.SIGTERM)
    assert "killed by SIGTERM" in boss.result(command)["detail"]


# -- ending --------------------------------------------------------------------------------


def test_a_stop_ends_the_whole_family(boss: Boss) -> None:
    boss.run("start", "family")
    member = boss.wait_pid("family", "member.pid")
    stranger = boss.wait_pid("family", "stranger.pid")
    wait_until_sync(lambda: os.getsid(stranger) == stranger, what="setsid")
    leader = int(boss.service("family")["pid"])
    assert os.getpgid(member) == os.getsid(member) == leader
    receipt = boss.run("stop", "family")
    assert receipt["status"] == "succeeded", receipt
    assert [gone(pid) for pid in (leader, member, stranger)] == [True] * 3


def test_what_ignores_sigterm_is_killed(boss: Boss) -> None:
    boss.run("start", "stubborn")
    boss.wait_file("stubborn", "up")
    pid = boss.service("stubborn")["pid"]
    command = boss.send("stop", "stubborn")
    assert boss.result(command)["status"] == "succeeded"
    # What its shell had just begun may die a moment later than the shell.
    steps = [step for step in boss.steps(command) if "the leader is gone" not in step]
    assert steps[2:6] == [
        f"SIGTERM sent to group {pid} (attempt 1)",
        f"SIGTERM sent to group {pid} (attempt 2)",
        "SIGKILL sent",
        "succeeded",
    ]
    assert boss.service("stubborn")["exit_signal"] == "9"
    assert gone(int(pid))


def test_the_signal_of_the_block(boss: Boss) -> None:
    boss.run("start", "interrupted")
    boss.wait_file("interrupted", "up")
    assert boss.run("stop", "interrupted")["status"] == "succeeded"
    assert boss.work("interrupted", "int").exists()
    state = boss.service("interrupted")
    assert (state["exit_code"], state["exit_signal"]) == ("0", "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_crash_is_told_at_once(boss: Boss, number: signal.Signals) -> None:
    boss.run("start", "crashes")
    pid = int(boss.service("crashes")["pid"])
    os.kill(pid, number)
    state = boss.wait_status("crashes", "exited", timeout=2)
    assert (state["exit_code"], state["exit_signal"]) == ("", str(number.value))
    assert state["exit_reason"] == f"killed by {number.name}"
    assert (state["desired"], state["pid"], state["health"]) == ("up", "", "unhealthy")


def test_an_exit_code_is_told(boss: Boss) -> None:
    boss.work("exits").mkdir(parents=True)
    fifo = boss.work("exits", "fifo")
    os.mkfifo(fifo)
    boss.run("start", "exits")
    fifo.write_text("go\n")
    state = boss.wait_status("exits", "exited")
    assert (state["exit_code"], state["exit_signal"]) == ("7", "")
    assert state["exit_reason"] == "exit code 7"
    assert boss.run("stop", "exits")["detail"] == "was not running"
    assert boss.service("exits")["exit_code"] == "7"


def test_a_start_ends_what_a_dead_leader_left(boss: Boss) -> None:
    boss.run("start", "orphans")
    left = [boss.wait_pid("orphans", f"{who}.pid") for who in ("member", "stranger")]
    os.kill(int(boss.service("orphans")["pid"]), signal.SIGKILL)
    boss.wait_status("orphans", "exited")
    assert not any(map(gone, left))
    for who in ("member", "stranger"):
        boss.work("orphans", f"{who}.pid").unlink()
    assert boss.run("start", "orphans")["status"] == "succeeded"
    for pid in left:
        wait_gone(pid)
    fresh = [boss.wait_pid("orphans", f"{who}.pid") for who in ("member", "stranger")]
    os.kill(int(boss.service("orphans")["pid"]), signal.SIGKILL)
    boss.wait_status("orphans", "exited")
    assert boss.run("stop", "orphans")["status"] == "succeeded"
    assert all(map(gone, fresh))


# -- telling -------------------------------------------------------------------------------


@pytest.mark.redis
def test_events_have_no_gap_and_the_hash_is_the_last_one(boss: Boss) -> None:
    listener = boss.listen("dumb:status")
    boss.run("start", "followed")
    boss.run("restart", "followed")
    os.kill(int(boss.service("followed")["pid"]), signal.SIGKILL)
    boss.wait_status("followed", "exited")
    boss.run("start", "followed")
    boss.run("stop", "followed")

    def of_it(found: list[bytes]) -> list[ServiceState]:
        states = [ServiceState.from_json(data) for data in found if b"process_name" in data]
        return [state for state in states if state.process_name == "followed"]

    found = of_it(
        messages(listener, lambda m: [s for s in of_it(m) if s.generation == 3 and not s.pid])
    )
    listener.close()
    assert [state.status.value for state in found] == [
        "starting", "running", "stopping", "stopped", "starting", "running", "exited",
        "starting", "running", "stopping", "stopped",
    ]  # fmt: skip
    assert [state.seq for state in found] == list(range(found[0].seq, found[0].seq + 11))
    raw = boss.redis.hgetall("dumb:service:followed")
    assert ServiceState.from_hash("followed", raw) == found[-1]  # type: ignore[arg-type]
    assert boss.redis.sismember("dumb:services", "followed")


def test_a_child_cannot_command_us(boss: Boss) -> None:
    boss.run("start", "environment")
    boss.wait_file("environment", "up")
    env = dict(
        line.split("=", 1)
        for line in boss.work("environment", "env.txt").read_text().splitlines()
        if "=" in line
    )
    assert "REDIS_URL" not in env
    assert not [name for name in env if name.startswith(("DUMB_REDIS_", "DUMB_JWT_"))]
    assert len(env["DUMB_INSTANCE"]) == 16
    assert env["PWD"] == str(boss.work("environment"))


def test_a_child_has_only_its_own_descriptors(boss: Boss) -> None:
    boss.run("start", "crashes")
    pid = int(boss.service("crashes")["pid"])
    open_files = {fd.name: str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    assert set(open_files) == {"0", "1", "2"}
    assert open_files["0"] == "/dev/null"
    assert os.getsid(pid) == os.getpgid(pid) == pid


@pytest.mark.skipif(not is_root(), reason="only root can become somebody else")
def test_a_service_runs_as_its_user(boss: Boss) -> None:
    receipt = boss.run("start", "user")
    assert receipt["status"] == "succeeded", receipt
    boss.wait_file("user", "up")
    assert boss.work("user", "id.txt").read_text() == "uid=1234 gid=1235 groups=1235\n"
    assert boss.run("stop", "user")["status"] == "succeeded"


@pytest.mark.skipif(not is_root(), reason="only root can become somebody else")
def test_a_service_may_write_into_the_directory_made_for_it(boss: Boss) -> None:
    boss.run("start", "writes as its user")
    boss.wait_file("writes as its user", "up")
    assert boss.work("writes as its user", "file").stat().st_uid == 1234
