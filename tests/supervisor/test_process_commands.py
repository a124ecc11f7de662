"""Commands against a running supervisor: order, duplicates, and which intent wins."""

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.supervisor.live import (
    Boss,
    gated_port,
    gone,
    program,
    service,
    supervisor,
    wait_gone,
)
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def boss(private_redis: PrivateRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boss]:
    gated = [gated_port(f"gate {n}", free_port()) for n in "abcdefg"]
    stopping = [program(f"lingering {n}", "slow_stop.sh") for n in "abc"]
    plain = [service(name) for name in ("Plain One", "plain two", "same id", "twin", "TWIN")]
    home = tmp_path_factory.mktemp("boss")
    with supervisor(home, private_redis, *gated, *stopping, *plain) as boss:
        yield boss


def test_start_restart_stop_with_their_steps(boss: Boss) -> None:
    started = boss.send("start", "Plain One", actor="me", source="cli")
    receipt = boss.result(started)
    first = boss.service("Plain One")
    assert (receipt["status"], receipt["detail"]) == ("succeeded", "started")
    assert (receipt["actor"], receipt["source"], receipt["action"]) == ("me", "cli", "start")
    assert boss.steps(started) == [
        "accepted",
        "claimed",
        f"spawned pid {first['pid']}",
        "ready",
        "succeeded",
    ]
    times = [at for at, _ in orjson.loads(receipt["steps"])]
    assert times == sorted(times)
    assert float(receipt["created_at"]) <= float(receipt["started_at"])
    assert float(receipt["started_at"]) <= float(receipt["finished_at"])
    assert (first["status"], first["desired"], first["generation"]) == ("running", "up", "1")

    restarted = boss.send("restart", "Plain One")
    assert boss.result(restarted)["detail"] == "restarted"
    second = boss.service("Plain One")
    assert boss.steps(restarted) == [
        "accepted",
        "claimed",
        "stopping",
        f"SIGTERM sent to group {first['pid']} (attempt 1)",
        f"spawned pid {second['pid']}",
        "ready",
        "succeeded",
    ]
    assert second["generation"] == "2"
    assert gone(int(first["pid"]))

    stopped = boss.send("stop", "Plain One")
    assert boss.result(stopped)["detail"] == "stopped"
    assert boss.steps(stopped)[2:] == [
        f"SIGTERM sent to group {second['pid']} (attempt 1)",
        "succeeded",
    ]
    last = boss.service("Plain One")
    assert (last["status"], last["desired"], last["pid"]) == ("stopped", "down", "")
    assert last["exit_signal"] == "15"
    boss.wait_acknowledged()


def test_triggers_carry_the_same_actions_and_no_claims(boss: Boss) -> None:
    fields = {"actor": "root", "source": "api", "args": "{broken"}
    command = boss.send("start", "plain two", stream="triggers", **fields)
    receipt = boss.result(command)
    assert (receipt["status"], receipt["source"], receipt["actor"]) == ("succeeded", "trigger", "")
    again = boss.result(boss.send("start", "plain two", stream="triggers"))
    assert again["detail"] == "already running"
    for action in ("restart", "stop"):
        assert boss.run(action, "plain two", stream="triggers")["status"] == "succeeded"
    assert boss.run("stop", "plain two", stream="triggers")["detail"] == "was not running"
    refused = boss.result(boss.send("reload-config", "plain two", stream="triggers"))
    assert refused["status"] == "rejected"
    assert (refused["action"], refused["process_name"]) == ("reload-config", "plain two")
    assert (refused["actor"], refused["source"]) == ("", "trigger")
    boss.wait_acknowledged("triggers")


def test_the_same_id_runs_once(boss: Boss) -> None:
    for stream in ("commands", "commands", "triggers"):
        boss.send("restart", "same id", stream=stream, id="once")
    assert boss.result("once")["status"] == "succeeded"
    boss.wait_acknowledged("commands")
    boss.wait_acknowledged("triggers")
    assert boss.service("same id")["generation"] == "1"
    finished = boss.receipt("once")
    boss.send("stop", "same id", id="once")
    boss.wait_acknowledged()
    # Anything later on the stream is read after it.
    boss.run("start", "same id")
    assert boss.service("same id")["generation"] == "1"
    assert boss.receipt("once") == finished


def test_equal_requests_in_flight_share_an_outcome(boss: Boss) -> None:
    first = boss.send("start", "gate a")
    boss.wait_status("gate a", "starting")
    second = boss.send("start", "gate a")
    wait_until_sync(lambda: boss.steps(second)[-1:] == [f"joined {first}, which is under way"])
    boss.open_gate("gate a")
    assert boss.result(first)["status"] == boss.result(second)["status"] == "succeeded"
    assert boss.steps(second)[-2:] == ["ready", "succeeded"]
    assert boss.service("gate a")["generation"] == "1"


def test_a_stop_cancels_a_start(boss: Boss) -> None:
    start = boss.send("start", "gate b")
    pid = int(boss.wait_status("gate b", "starting")["pid"])
    stop = boss.send("stop", "gate b")
    assert boss.result(stop)["status"] == "succeeded"
    receipt = boss.result(start)
    assert receipt["status"] == "cancelled"
    assert receipt["detail"] == (f"The start of 'gate b' was cancelled by a later stop ({stop}).")
    assert gone(pid)
    assert boss.service("gate b")["status"] == "stopped"


def test_a_stop_cancels_the_second_half_of_a_restart(boss: Boss) -> None:
    boss.run("start", "lingering a")
    boss.wait_file("lingering a", "up")
    restart = boss.send("restart", "lingering a")
    boss.wait_file("lingering a", "asked")
    stop = boss.send("stop", "lingering a")
    assert boss.result(restart)["status"] == "cancelled"
    boss.open_gate("lingering a")
    assert boss.result(stop)["status"] == "succeeded"
    state = boss.service("lingering a")
    assert (state["status"], state["desired"], state["generation"]) == ("stopped", "down", "1")


def test_a_start_waits_for_the_stop_under_way(boss: Boss) -> None:
    boss.run("start", "lingering b")
    boss.wait_file("lingering b", "up")
    stop = boss.send("stop", "lingering b")
    boss.wait_file("lingering b", "asked")
    start = boss.send("start", "lingering b")
    wait_until_sync(lambda: boss.steps(start)[-1:] == ["claimed"])
    boss.open_gate("lingering b")
    assert boss.result(stop)["status"] == boss.result(start)["status"] == "succeeded"
    state = boss.service("lingering b")
    assert (state["status"], state["generation"]) == ("running", "2")


def test_stops_at_once_share_an_outcome(boss: Boss) -> None:
    """In one read, so that the second comes before the first has begun."""
    boss.run("start", "lingering c")
    boss.wait_file("lingering c", "up")
    boss.open_gate("lingering c")
    pipe = boss.redis.pipeline()
    for number in range(3):
        fields: dict[Any, Any] = {
            "action": "stop",
            "process_name": "lingering c",
            "id": f"stop-{number}",
        }
        pipe.xadd("dumb:commands", fields)
    pipe.execute()
    assert {boss.result(f"stop-{number}")["status"] for number in range(3)} == {"succeeded"}


def test_different_services_do_not_wait_for_one_another(boss: Boss) -> None:
    slow = [boss.send("start", "gate c"), boss.send("start", "gate d")]
    boss.wait_status("gate c", "starting")
    boss.wait_status("gate d", "starting")
    assert boss.run("start", "plain two")["status"] == "succeeded"
    assert [boss.receipt(command)["status"] for command in slow] == ["running", "running"]
    for name in ("gate c", "gate d"):
        boss.open_gate(name)
    assert [boss.result(command)["status"] for command in slow] == ["succeeded"] * 2


def test_the_latest_of_many_wins(boss: Boss) -> None:
    commands = [boss.send(action, "gate e") for action in ("start", "stop", "restart", "stop")]
    last = boss.send("start", "gate e")
    boss.open_gate("gate e")
    assert boss.result(last)["status"] == "succeeded"
    assert {boss.result(command)["status"] for command in commands} <= {"succeeded", "cancelled"}
    assert boss.service("gate e")["status"] == "running"
    final = boss.send("stop", "gate e")
    boss.result(final)
    pid = boss.service("gate e")["pid"]
    assert pid == ""


def test_read_too_late(boss: Boss) -> None:
    past = str(int(time.time() * 1000) - 1)
    receipt = boss.run("start", "gate f", expires_at_ms=past)
    assert (receipt["status"], boss.service("gate f")["status"]) == ("expired", "stopped")
    assert "not carried out" in receipt["detail"]
    soon = str(int(time.time() * 1000) + 60_000)
    assert boss.run("stop", "gate f", expires_at_ms=soon)["status"] == "succeeded"
    boss.wait_acknowledged()


@pytest.mark.parametrize("name", ["plainone", "PLAIN ONE", "p l a i n o n e"])
def test_a_loosely_spelled_name_is_found(boss: Boss, name: str) -> None:
    receipt = boss.run("stop", name)
    assert (receipt["status"], receipt["process_name"]) == ("succeeded", "Plain One")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Twin", "'Twin' fits several services: twin, TWIN."),
        ("Plane One", "No service is named 'Plane One'. Did you mean 'Plain One'?"),
        ("", "No service is named ''."),
        ("ö\n", "No service is named"),
        ("DUMB API", "'DUMB API' is this API itself"),
    ],
)
def test_names_that_fit_nothing_are_rejected_with_a_reason(
    boss: Boss, name: str, words: str
) -> None:
    command = boss.send("start", name)
    receipt = boss.result(command)
    assert receipt["status"] == "rejected"
    assert (receipt["action"], receipt["process_name"]) == ("start", name)
    assert receipt["detail"].startswith(words)
    wait_until_sync(lambda: [r for r in boss.rejects() if r["entry"] == command], what="reject")
    copy = next(r for r in boss.rejects() if r["entry"] == command)
    assert copy["reason"] == receipt["detail"]
    assert copy["field:process_name"] == name
    boss.wait_acknowledged()


def test_an_exact_name_beats_loose_ones(boss: Boss) -> None:
    assert boss.run("start", "TWIN")["process_name"] == "TWIN"
    assert boss.service("twin")["status"] == "stopped"
    pid = int(boss.service("TWIN")["pid"])
    boss.run("stop", "TWIN")
    wait_gone(pid)


def test_what_was_asked_is_in_the_audit(boss: Boss) -> None:
    command = boss.send("stop", "gate g", actor="zoë", source="cli")
    boss.result(command)

    def audited() -> bool:
        entries: Any = boss.redis.xrevrange("dumb:audit", count=20)
        return any(
            (f[b"actor"], f[b"action"], f[b"target"], f[b"source"])
            == ("zoë".encode(), b"stop", b"gate g", b"cli")
            and f[b"outcome"].startswith(b"succeeded")
            for _, f in entries
        )

    wait_until_sync(audited, what="the audit entry")
