"""A real supervisor over services that need one another."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.supervisor.live import Boss, gated_port, service, shell, supervisor
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

Make = Callable[..., Boss]


@pytest.fixture
def make(tmp_path: Path, private_redis: PrivateRedis) -> Iterator[Make]:
    """A supervisor over the given services."""
    with ExitStack() as stack:
        yield lambda *blocks: stack.enter_context(
            supervisor(tmp_path / "home", private_redis, *blocks)
        )


@pytest.fixture
def port() -> int:
    return free_port()


def startup(boss: Boss) -> dict[str, Any]:
    """How the boot goes."""
    raw: Any = boss.redis.get("dumb:startup")
    return dict(orjson.loads(raw)) if raw else {}


def wait_phase(boss: Boss, phase: str) -> dict[str, Any]:
    """Wait until the boot has come to a phase."""
    wait_until_sync(lambda: startup(boss).get("phase") == phase, what=f"the phase {phase}")
    return startup(boss)


def started_at(boss: Boss, name: str) -> float:
    """When the present process of a service was started."""
    return float(boss.service(name)["started_at"])


def test_a_boot_starts_each_service_when_what_it_needs_is_ready(make: Make, port: int) -> None:
    boss = make(
        service("front", enabled=True, depends_on={"back": "ready"}),
        service("back", enabled=True, depends_on={"db": "ready"}),
        service("alone", enabled=True),
        gated_port("db", port, enabled=True),
    )
    boss.wait_status("alone", "running")
    for name, what in (("back", f"db: port {port}"), ("front", "back: waiting")):
        wait_until_sync(lambda n=name, w=what: boss.service(n).get("waiting_for") == w, what=what)  # type: ignore[misc]
        assert boss.service(name)["status"] == "waiting"
    line = f"1/4 ready, waiting for db: port {port}"
    wait_until_sync(lambda: startup(boss).get("reason", "").startswith(line), what=line)
    assert startup(boss)["phase"] == "starting_services"
    boss.open_gate("db")
    told = wait_phase(boss, "ready")
    assert told["expected_services"] == ["DUMB API", "alone", "back", "db", "front"]
    ready_at = float(boss.service("db")["ready_at"])
    assert ready_at <= started_at(boss, "back") <= started_at(boss, "front")


def test_a_failed_dependency_holds_its_users_until_it_is_mended(make: Make) -> None:
    boss = make(
        service("front", enabled=True, depends_on={"back": "ready"}),
        service("back", enabled=True, depends_on={"db": "ready"}),
        shell("db", "test -e go && exec sleep 1000; exit 3", enabled=True, start_window=0.3),
    )
    told = wait_phase(boss, "degraded")
    assert set(told["failures"]) == {"front", "back", "db"}
    assert boss.service("db")["status"] == "failed"
    held = boss.service("back")
    assert held["status"] == "waiting"
    assert held["waiting_for"].startswith("db: failed (")
    boss.open_gate("db")
    boss.run("start", "db")
    boss.wait_status("front", "running")
    assert wait_phase(boss, "ready")["failures"] == {}
    assert [boss.service(n)["generation"] for n in ("db", "back", "front")] == ["2", "1", "1"]


def test_a_start_starts_what_is_needed_and_a_stop_says_who_needs_it(make: Make) -> None:
    boss = make(
        service("front", depends_on={"back": "started"}),
        service("back", depends_on={"db": "ready"}),
        service("db"),
    )
    assert boss.run("start", "front")["status"] == "succeeded"
    assert [boss.service(n)["status"] for n in ("db", "back", "front")] == ["running"] * 3
    assert boss.run("stop", "db")["detail"] == "stopped; needed by back"
    assert boss.service("back")["status"] == "running"


def test_a_held_start_fails_at_once_and_says_what_it_waits_for(make: Make) -> None:
    boss = make(
        service("front", depends_on={"db": "ready"}),
        shell("db", "exit 3", start_window=0.3),
    )
    receipt = boss.run("start", "front")
    assert receipt["status"] == "failed"
    assert receipt["detail"].startswith("'front' waits for db: failed (")
    assert boss.run("stop", "front")["status"] == "succeeded"
    assert boss.service("front")["status"] == "stopped"
    boss.run("start", "db")  # fails again, and nobody is released
    assert boss.service("front")["generation"] == "0"


def test_a_shutdown_stops_users_first_and_the_others_together(make: Make) -> None:
    """Each one notes when it was asked to stop, and takes a moment."""
    note = "trap 'date +%s%N >asked; sleep 0.2; date +%s%N >ended; exit 0' TERM; touch up; "
    wait = note + "while :; do sleep 0.05; done"
    boss = make(
        shell("front", wait, enabled=True, depends_on={"db": "ready"}),
        shell("other", wait, enabled=True, depends_on={"db": "ready"}),
        shell("db", wait, enabled=True),
    )
    for name in ("front", "other", "db"):
        boss.wait_file(name, "up")
    assert boss.stop() == 0

    def at(name: str, file: str) -> int:
        return int(boss.work(name, file).read_text())

    first = ("front", "other")
    assert max(at(name, "asked") for name in first) < min(at(name, "ended") for name in first)
    assert max(at(name, "ended") for name in first) < at("db", "asked")


def test_the_exit_code_says_that_something_had_to_be_killed(make: Make) -> None:
    deaf = "trap '' TERM; touch up; while :; do sleep 0.1; done"
    boss = make(shell("deaf", deaf, enabled=True, stop_wait=0.2), service("good", enabled=True))
    boss.wait_file("deaf", "up")
    assert boss.stop() == 3


def test_a_bad_dependency_keeps_one_service_down_and_no_other(make: Make) -> None:
    boss = make(
        service("one", enabled=True, depends_on={"nobody": "ready"}),
        service("two", enabled=True, depends_on={"three": "ready"}),
        service("three", enabled=True, depends_on={"two": "ready"}),
        service("four", enabled=True, depends_on=["good"]),
        service("five", enabled=True, depends_on={"good": 5}),
        service("good", enabled=True),
    )
    failures = wait_phase(boss, "degraded")["failures"]
    why = "'one' is not started: key0.depends_on.nobody: no service is named 'nobody'"
    assert failures["one"].startswith(why)
    assert "makes a cycle: two → three → two" in failures["two"]
    assert set(failures) == {"one", "two", "three", "four", "five"}
    assert boss.service("good")["status"] == "running"


def test_a_supervisor_killed_in_the_middle_of_its_boot_finishes_it(make: Make, port: int) -> None:
    boss = make(
        service("front", enabled=True, depends_on={"db": "ready"}),
        service("early", enabled=True),
        gated_port("db", port, enabled=True),
    )
    boss.wait_status("front", "waiting")
    pid = boss.wait_status("early", "running")["pid"]
    boss.kill()
    boss.start()
    boss.open_gate("db")
    wait_phase(boss, "ready")
    boss.wait_status("front", "running")
    assert boss.service("early")["pid"] == pid
    assert [boss.service(n)["generation"] for n in ("db", "early", "front")] == ["1", "1", "1"]


def test_who_wants_to_follows_a_restart_of_what_it_needs(make: Make) -> None:
    follows = {"enabled": True, "on_dependency_restart": "restart"}
    boss = make(
        service("follows", depends_on={"db": "ready"}, **follows),
        service("second", depends_on={"follows": "ready", "db": "ready"}, **follows),
        service("stays", enabled=True, depends_on={"db": "ready"}),
        service("db", enabled=True),
    )
    wait_phase(boss, "ready")
    boss.run("restart", "db")
    wait_until_sync(lambda: boss.service("second")["generation"] == "2", what="the follower")
    boss.wait_status("second", "running")
    assert started_at(boss, "follows") <= started_at(boss, "second")
    assert [boss.service(n)["generation"] for n in ("db", "follows", "stays")] == ["2", "2", "1"]


def test_what_ends_by_itself_is_started_again_and_its_users_are_told(make: Make) -> None:
    boss = make(service("db"))
    entry = {"process_name": "db", "backoff_seconds": [0.1]}
    boss.write_config(
        {
            "db": service("db", enabled=True),
            "front": service("front", depends_on={"db": "ready"}),
        },
        auto_restart={"enabled": True, "services": [entry]},
    )
    assert boss.run("reload-config", "")["status"] == "succeeded"
    assert boss.run("start", "front")["status"] == "succeeded"
    os.kill(int(boss.service("db")["pid"]), signal.SIGKILL)
    wait_until_sync(lambda: boss.service("db")["generation"] == "2", what="the restart")
    stats = orjson.loads(boss.wait_status("db", "running")["restart"])
    assert stats["restart_attempts"] == 1
    assert boss.service("front")["generation"] == "1"


def test_a_need_may_have_to_be_healthy_or_completed(make: Make) -> None:
    probe = {"kind": "exec", "command": ["test", "-e", "go"], "interval": 1}
    boss = make(
        service("front", enabled=True, depends_on={"db": "healthy", "job": "completed"}),
        service("db", enabled=True, health={"liveness": probe}),
        shell("job", "while ! test -e go; do sleep 0.05; done", enabled=True, expected_exit=[0]),
    )
    boss.wait_status("db", "running")
    boss.wait_status("job", "running")
    waits = boss.wait_status("front", "waiting")["waiting_for"]
    assert waits.startswith("db: healthy (")
    assert waits.endswith(", job: to complete")
    boss.open_gate("db")
    wait_until_sync(
        lambda: boss.service("front")["waiting_for"] == "job: to complete", what="a healthy db"
    )
    boss.open_gate("job")
    boss.wait_status("front", "running")
    assert boss.service("job")["status"] == "exited"
    assert wait_phase(boss, "ready")["failures"] == {}


def test_who_is_held_starts_when_the_configuration_lets_it(make: Make) -> None:
    blocks = [
        service("front", enabled=True, depends_on={"db": "ready"}),
        shell("db", "exit 3", enabled=True, start_window=0.3),
    ]
    boss = make(*blocks)
    wait_phase(boss, "degraded")
    assert boss.service("front")["status"] == "waiting"
    blocks[0]["depends_on"] = {}
    boss.write_config({f"key{number}": block for number, block in enumerate(blocks)})
    boss.wait_status("front", "running")


def test_a_stop_ends_the_waiting_and_nobody_starts_it_later(make: Make, port: int) -> None:
    boss = make(
        service("front", enabled=True, depends_on={"db": "ready"}),
        gated_port("db", port, enabled=True),
    )
    boss.wait_status("front", "waiting")
    assert boss.run("stop", "front")["status"] == "succeeded"
    boss.open_gate("db")
    assert wait_phase(boss, "ready")["failures"] == {}
    state = boss.service("front")
    assert (state["status"], state["desired"], state["generation"]) == ("stopped", "down", "0")


def test_a_crash_brings_nothing_back_that_only_an_earlier_life_wanted(make: Make) -> None:
    boss = make(service("extra"), service("base", enabled=True))
    boss.run("start", "extra")
    assert boss.stop() == 0
    boss.start()
    boss.wait_status("base", "running")
    boss.kill()
    boss.start()
    wait_phase(boss, "ready")
    boss.wait_status("base", "running")
    extra = boss.service("extra")
    assert (extra["status"], extra["desired"]) == ("stopped", "down")


def test_a_shutdown_that_is_killed_is_taken_up_where_it_was(make: Make) -> None:
    """The successor brings everything back, in order: the shutdown was nobody's wish."""
    slow = "trap 'touch asked; sleep 0.3; exit 0' TERM; touch up; while :; do sleep 0.05; done"
    boss = make(
        shell("front", slow, enabled=True, depends_on={"db": "ready"}),
        service("db", enabled=True),
    )
    boss.wait_file("front", "up")
    wait_phase(boss, "ready")
    os.kill(boss.pid, signal.SIGTERM)
    wait_until_sync(boss.work("front", "asked").exists, what="the stop of front")
    boss.kill()
    boss.start()
    wait_phase(boss, "ready")
    boss.wait_status("db", "running")
    boss.wait_status("front", "running")
    assert boss.service("db")["generation"] == "1"
