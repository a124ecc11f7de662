"""How a supervisor begins and ends, and that nothing stays behind."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.exits import Exit
from tests.supervisor.live import (
    Boss,
    gated_port,
    gone,
    program,
    service,
    shell,
    tree,
)
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

Make = Callable[..., Boss]


@pytest.fixture
def make(private_redis: PrivateRedis, tmp_path: Path) -> Iterator[Make]:
    private_redis.flush()
    made: list[Boss] = []

    def make(*blocks: dict[str, Any], url: str | None = None) -> Boss:
        address = private_redis.url if url is None else url
        made.append(Boss(tmp_path / "home", address, tree(*blocks)))
        return made[-1]

    yield make
    for boss in made:
        boss.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything(make: Make, number: signal.Signals) -> None:
    boss = make(
        service("web", enabled=True),
        program("family", "family.sh", enabled=True, stop_wait=0.3),
        gated_port("starting", free_port(), enabled=True),
        service("idle"),
    )
    boss.start()
    boss.wait_status("web", "running")
    family = [boss.wait_pid("family", f"{who}.pid") for who in ("member", "stranger")]
    boss.wait_status("starting", "starting")
    pids = [int(boss.service(name)["pid"]) for name in ("web", "family", "starting")]
    assert boss.stop(number) == 0
    assert all(map(gone, [*pids, *family]))
    assert not boss.redis.exists("dumb:supervisor")
    states = {name: boss.service(name) for name in ("web", "family", "starting", "idle")}
    assert {state["status"] for state in states.values()} == {"stopped"}
    assert not [path for path in (boss.home / "run").rglob("*") if path.is_fifo()]
    assert "Traceback" not in boss.output.read_text()


def test_what_is_enabled_starts_again_after_a_clean_end(make: Make) -> None:
    boss = make(service("web", enabled=True), service("by hand"))
    boss.start()
    boss.wait_status("web", "running")
    boss.run("start", "by hand")
    boss.run("stop", "web")
    generation = int(boss.service("web")["generation"])
    assert boss.stop() == 0
    boss.start()
    state = boss.wait_status("web", "running")
    assert int(state["generation"]) == generation + 1
    assert boss.service("by hand")["status"] == "stopped"
    assert int(boss.service("by hand")["generation"]) == 1


def test_the_phase_tells_how_the_boot_went(make: Make) -> None:
    boss = make(service("web", enabled=True))
    boss.start()
    phase: Callable[[], Any] = lambda: boss.redis.hget("dumb:supervisor", "phase")  # noqa: E731
    wait_until_sync(lambda: phase() == b"ready", what="ready")
    assert boss.stop() == 0
    boss.write_config(tree(service("web", ["no-such-program"], enabled=True)))
    boss.start()
    wait_until_sync(lambda: phase() == b"degraded", what="degraded")
    assert "no-such-program" in boss.wait_status("web", "failed")["exit_reason"]


@pytest.mark.redis
def test_entries_from_before_the_first_start(make: Make) -> None:
    boss = make(service("web"), service("old"))
    entry: dict[Any, Any] = {"action": "start", "process_name": "old"}
    boss.redis.xadd("dumb:commands", entry, id="1000000000000-0")
    fresh = boss.send("start", "web")
    boss.start()
    assert boss.result(fresh)["status"] == "succeeded"
    receipt = boss.result("1000000000000-0")
    assert (receipt["status"], receipt["created_at"]) == ("expired", "1000000000.0")
    assert boss.service("old")["status"] == "stopped"
    boss.wait_acknowledged()


def test_a_second_one_on_the_same_home_gives_up(make: Make) -> None:
    first = make(service("web", enabled=True))
    first.start()
    pid = first.wait_status("web", "running")["pid"]
    second = make(service("web", enabled=True))
    second.output = second.home / "second.out"
    second.start(ready=False)
    assert second.wait() == 75
    said = second.output.read_text()
    assert f"Another supervisor (pid {first.pid}) runs on {first.home}: " in said
    assert "Traceback" not in said
    assert first.beats()
    assert first.service("web")["pid"] == pid


def test_without_a_redis_it_says_what_to_do(make: Make) -> None:
    boss = make(service("web"))
    boss.redis_url = ""
    boss.start(ready=False)
    assert boss.wait() == 78
    assert "No Redis: set REDIS_URL" in boss.output.read_text()


def test_a_home_that_cannot_be_made_is_a_sentence(make: Make) -> None:
    boss = make(service("web"))
    (boss.home / "run").write_text("in the way")
    boss.start(ready=False)
    assert boss.wait() == 73
    (boss.home / "run").unlink()
    output = boss.output.read_text()
    assert f"The data directory {boss.home} cannot be used: " in output
    assert "Traceback" not in output


def test_services_run_without_any_redis(make: Make) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    boss = make(shell("web", "touch up; exec sleep 1000", enabled=True), url=url)
    boss.start(ready=False)
    boss.wait_file("web", "up")  # it may be quicker than the record of its pid
    wait_until_sync(lambda: boss.journalled()["web"]["process"]["pid"], what="the pid on record")
    pid = boss.journalled()["web"]["process"]["pid"]
    assert not gone(pid)
    assert boss.stop() == 0
    assert gone(pid)


def test_a_handover_leaves_services_running(make: Make) -> None:
    boss = make(service("web", enabled=True))
    boss.start()
    before = boss.wait_status("web", "running")
    assert boss.stop(signal.SIGUSR2) == Exit.HANDED_OVER
    os.kill(int(before["pid"]), 0)
    boss.start()
    after = boss.wait_status("web", "running")
    assert (after["pid"], after["generation"]) == (before["pid"], before["generation"])
    assert boss.run("stop", "web")["status"] == "succeeded"
    assert gone(int(before["pid"]))
