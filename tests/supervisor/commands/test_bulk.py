"""`bulk` and `cancel` against a running supervisor."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.supervisor.live import Boss, gated_port, gone, program, service, shell, supervisor
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until_sync

CHAIN = ("app", "middle", "base")
"""Each needs the next one; what they do stands in one file, in the order of time."""


def chained(name: str, on: str, home: str) -> dict[str, Any]:
    """Says when it comes and when it goes, and is quick about it."""
    note = f"echo {{}} {name} >> {home}/order"
    trap = f"trap '{note.format('-')}; exit 0' TERM"
    script = f"{trap}; {note.format('+')}; while :; do sleep 0.02; done"
    needs = {"depends_on": {on: "ready"}} if on else {}
    return shell(name, script, start_window=0.1, **needs)


@pytest.fixture(scope="module")
def boss(private_redis: PrivateRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boss]:
    home = tmp_path_factory.mktemp("boss")
    blocks = [
        *(chained(n, on, str(home)) for n, on in zip(CHAIN, (*CHAIN[1:], ""), strict=True)),
        shell("broken", "echo no such luck >&2; exit 3", start_window=2),
        service("enabled one", enabled=False),
        *(gated_port(f"gate {n}", free_port()) for n in "abcde"),
        program("lingering", "slow_stop.sh", stop_wait=0.5),
    ]
    with supervisor(home, private_redis, *blocks) as boss:
        yield boss


def bulk(boss: Boss, action: str, *names: str, **args: Any) -> str:
    wanted = {"action": action, "process_names": list(names), **args}
    return boss.send("bulk", "", args=orjson.dumps(wanted).decode())


def cancel(boss: Boss, command: str) -> dict[str, str]:
    return boss.run("cancel", "", args=orjson.dumps({"command": command}).decode(), actor="me")


def results(receipt: dict[str, str]) -> dict[str, str]:
    found = orjson.loads(receipt["result"])["results"]
    return {entry["process_name"]: entry["status"] for entry in found}


def order(boss: Boss) -> list[str]:
    path = boss.home / "order"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_starts_and_stops_in_the_order_of_dependencies(boss: Boss) -> None:
    started = boss.result(bulk(boss, "start", *CHAIN))
    assert (started["status"], started["detail"]) == ("succeeded", "3 of 3 done")
    assert results(started) == dict.fromkeys(CHAIN, "succeeded")
    assert order(boss) == ["+ base", "+ middle", "+ app"]
    restarted = bulk(boss, "restart", "base", "app", "middle")
    assert results(boss.result(restarted)) == dict.fromkeys(CHAIN, "succeeded")
    assert order(boss) == ["- app", "- middle", "- base", "+ base", "+ middle", "+ app"]
    assert {boss.service(name)["generation"] for name in CHAIN} == {"2"}
    assert any(step.startswith("middle: spawned pid") for step in boss.steps(restarted))
    assert boss.result(bulk(boss, "stop", all=True))["status"] == "succeeded"
    assert order(boss) == ["- app", "- middle", "- base"]
    assert {boss.service(name)["desired"] for name in CHAIN} == {"down"}


def test_one_failure_leaves_the_others_alone(boss: Boss) -> None:
    failed = boss.result(bulk(boss, "start", "broken", "enabled one", "broken"))
    assert failed["status"] == "failed"
    assert results(failed) == {"broken": "failed", "enabled one": "succeeded"}
    assert "1 of 2 done" in failed["detail"]
    assert "no such luck" in failed["detail"]
    assert boss.result(bulk(boss, "stop", "enabled one", "broken"))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"action": "dance", "process_names": ["base"]}, "'action' must be"),
        ({"action": "start"}, "'process_names' must be"),
        ({"action": "start", "process_names": []}, "'process_names' must be"),
        ({"action": "start", "process_names": ["base", "nobody"]}, "'nobody'"),
        ({"action": "start", "process_names": ["base", 7]}, "'7'"),
        ({"action": "start", "process_names": ["DUMB API"]}, "'DUMB API'"),
        ({"action": ["start"], "process_names": ["base"]}, "'action' must be"),
    ],
)
def test_what_cannot_be_done_as_a_whole_begins_nothing(
    boss: Boss, args: dict[str, Any], words: str
) -> None:
    receipt = boss.run("bulk", "", args=orjson.dumps(args).decode())
    assert receipt["status"] == "rejected"
    assert words in receipt["detail"]
    assert boss.service("base")["status"] == "stopped"


def test_a_start_is_taken_back(boss: Boss) -> None:
    start = boss.send("start", "gate a")
    pid = int(boss.wait_status("gate a", "starting")["pid"])
    assert cancel(boss, start)["status"] == "succeeded"
    assert boss.receipt(start)["status"] == "cancelled"
    assert boss.receipt(start)["detail"] == "Cancelled by me."
    assert boss.wait_status("gate a", "stopped")["desired"] == "down"
    assert gone(pid)


def test_who_joined_keeps_the_start(boss: Boss) -> None:
    first, second = boss.send("start", "gate b"), boss.send("start", "gate b")
    wait_until_sync(lambda: any("joined" in s for s in boss.steps(second)), what="the join")
    assert cancel(boss, first)["status"] == "succeeded"
    boss.open_gate("gate b")
    assert boss.result(second)["status"] == "succeeded"
    assert boss.result(first)["status"] == "cancelled"
    assert boss.run("stop", "gate b")["status"] == "succeeded"


def test_what_waits_is_dropped_and_what_was_before_it_goes_on(boss: Boss) -> None:
    start, restart = boss.send("start", "gate c"), boss.send("restart", "gate c")
    boss.wait_status("gate c", "starting")
    assert cancel(boss, restart)["status"] == "succeeded"
    boss.open_gate("gate c")
    assert boss.result(start)["status"] == "succeeded"
    assert boss.service("gate c")["generation"] == "1"
    assert boss.run("stop", "gate c")["status"] == "succeeded"


def test_no_way_back(boss: Boss) -> None:
    boss.run("start", "lingering")
    stop = boss.send("stop", "lingering")
    boss.wait_status("lingering", "stopping")
    refused = cancel(boss, stop)
    assert (refused["status"], "not taken back" in refused["detail"]) == ("rejected", True)
    assert boss.result(stop)["status"] == "succeeded"
    for wanted in (stop, "nobody", ""):
        refused = cancel(boss, wanted)
        assert (refused["status"], "is under way" in refused["detail"]) == ("rejected", True)


def test_a_bulk_is_taken_back(boss: Boss) -> None:
    whole = bulk(boss, "start", "gate d", "base", "middle")
    boss.wait_status("gate d", "starting")
    boss.wait_status("middle", "running")
    assert cancel(boss, whole)["status"] == "succeeded"
    receipt = boss.receipt(whole)
    assert results(receipt) == {"gate d": "cancelled", "base": "succeeded", "middle": "succeeded"}
    assert boss.wait_status("gate d", "stopped")["desired"] == "down"
    assert boss.service("middle")["status"] == "running"


def test_a_killed_supervisor_leaves_a_restart_that_is_finished_once(boss: Boss) -> None:
    boss.result(bulk(boss, "start", "base", "middle"))
    boss.open_gate("gate e")
    boss.run("start", "gate e")
    before = {n: int(boss.service(n)["generation"]) for n in ("base", "middle", "gate e")}
    boss.work("gate e", "go").unlink()
    whole = bulk(boss, "restart", "base", "middle", "gate e")

    def all_again() -> bool:
        return all(boss.service(n)["generation"] == str(g + 1) for n, g in before.items())

    wait_until_sync(all_again, what="all of them started again")
    boss.wait_status("middle", "running")
    boss.kill()
    boss.start()
    boss.open_gate("gate e")
    assert results(boss.result(whole)) == dict.fromkeys(before, "succeeded")
    after = {name: int(boss.service(name)["generation"]) for name in before}
    assert after == {name: generation + 1 for name, generation in before.items()}
