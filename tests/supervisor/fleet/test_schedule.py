"""Schedules: with a clock of the test's own, and in a running supervisor."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from services.supervisor.fleet.schedule import Scheduler, command_id_of
from services.supervisor.journal import Journal
from services.supervisor.records import Outcome
from shared.models.command import ID_PATTERN, Command, CommandStatus
from shared.models.service import ServiceState
from shared.states import Desired
from tests.supervisor.live import Boss, service, tree
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until_sync

START = 1_790_000_100.0
"""A minute begins (2026-09-21 14:15 UTC)."""


class Bench:
    """One service, whose commands are written down, and a clock."""

    def __init__(self, path: Path, schedule: Any, **state: Any) -> None:
        self.now = START - 30
        self.asked: list[tuple[str, int]] = []
        self.state = ServiceState("Job", **state)
        block = {"schedule": schedule}
        book = SimpleNamespace(note=self._note)
        life = SimpleNamespace(service=SimpleNamespace(block=block), book=book, alive=False)
        self.unit: Any = SimpleNamespace(
            name="Job", lifecycle=life, state=self.state, busy=False, submit=self._submit
        )
        self.journal = Journal(path / "journal.jsonl")
        self.begin()

    def begin(self) -> None:
        """A supervisor takes over."""
        self.scheduler = Scheduler(
            cast("Any", {"Job": self.unit}),
            self.journal,
            self._own,
            lambda: "UTC",
            lambda: self.now,
        )
        self.look()

    def look(self, seconds: float = 0.0) -> None:
        """Time passes, and the scheduler looks."""
        self.now += seconds
        self.scheduler._due = self.scheduler._due or {"Job": 0.0}
        if self.now < self.scheduler._looked:
            self.scheduler._due = {"Job": 0.0}
        self.scheduler.look()

    def _note(self, **fields: Any) -> None:
        self.state = self.unit.state = self.state.with_(**fields)

    def _own(self, command: Command) -> Any:
        return SimpleNamespace(command=command, claim=lambda _at: None)

    def _submit(self, job: Any) -> None:
        command: Command = job.command
        slot = int(command.id.rpartition(":")[2]) - int(START)
        self.asked.append((command.action.value, slot))
        self.journal.outcome(Outcome(command.id, CommandStatus.SUCCEEDED, "", self.now))


RECEIPTS = "dumb:command:cron:*"
EVERY_MINUTE = {"cron": "* * * * *"}


def test_every_slot_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path, EVERY_MINUTE)
    assert bench.state.next_run_at == START
    for _ in range(13):
        bench.look(10)
    assert bench.asked == [("start", 0), ("start", 60)]
    assert bench.state.next_run_at == START + 120


def test_slots_that_passed_without_a_supervisor_are_skipped_and_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path, EVERY_MINUTE)
    bench.now += 3600 + 45
    bench.begin()
    assert bench.asked == [("start", 3600)]
    bench.now += 86400 * 400
    bench.begin()
    assert bench.asked[1:] == [("start", 3600 + 86400 * 400)]


def test_what_was_missed_stands_in_the_state(tmp_path: Path) -> None:
    bench = Bench(tmp_path, {"cron": "15 14 * * *"})
    bench.now += 3 * 86400 + 3600
    bench.begin()
    assert bench.asked == []
    assert bench.state.schedule_note.startswith("2026-09-21 14:15 UTC skipped: 4 slots passed")
    assert bench.state.next_run_at == START + 4 * 86400


def test_a_clock_that_jumps_ahead_skips_and_one_that_is_put_back_repeats_nothing(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, EVERY_MINUTE)
    bench.look(31)
    bench.look(7200)
    assert bench.asked == [("start", 0), ("start", 7200)]
    assert "100 slots passed" in bench.state.schedule_note
    bench.look(-7200)
    for _ in range(7):
        bench.look(10)
    assert ("start", 60) in bench.asked
    assert len(bench.asked) == len(set(bench.asked))


@pytest.mark.parametrize(
    ("entry", "alive", "desired", "expected", "note"),
    [
        ({"action": "run"}, False, "down", "start", ""),
        ({"action": "run"}, True, "up", "", "it still runs"),
        ({"action": "run", "overlap": "replace"}, True, "up", "restart", ""),
        ({"action": "restart"}, True, "up", "restart", ""),
        ({"action": "restart"}, False, "up", "restart", ""),
        ({"action": "restart"}, False, "down", "", "it is stopped"),
        ({"action": "stop"}, True, "up", "stop", ""),
        ({"action": "stop"}, False, "down", "stop", ""),
    ],
)
def test_actions_and_overlap(
    tmp_path: Path, entry: dict[str, str], *, alive: bool, desired: str, expected: str, note: str
) -> None:
    bench = Bench(tmp_path, {**EVERY_MINUTE, **entry}, desired=Desired(desired))
    bench.unit.lifecycle.alive = alive
    bench.look(31)
    assert bench.asked == ([(expected, 0)] if expected else [])
    assert note in bench.state.schedule_note


def test_a_schedule_that_goes_takes_its_news_along(tmp_path: Path) -> None:
    bench = Bench(tmp_path, EVERY_MINUTE)
    bench.unit.lifecycle.service.block.clear()
    bench.scheduler._due = {"Job": 0.0}
    bench.look()
    assert (bench.state.next_run_at, bench.state.schedule_note) == (None, "")


@pytest.mark.parametrize("name", ["Sonarr", "Sonarr 4K", "Sonarr-4K", "é" * 200, "x" * 200])
def test_ids_can_be_asked_for_and_tell_services_apart(name: str) -> None:
    found = command_id_of(name, START)
    assert ID_PATTERN.fullmatch(found)
    assert found != command_id_of(name + "x", START)
    assert found.endswith(":1790000100")


# -- in a running supervisor ------------------------------------------------------------------


@pytest.fixture
def boss(private_redis: PrivateRedis, tmp_path: Path) -> Iterator[Boss]:
    private_redis.flush()
    blocks = [
        service("Nightly Job", ["sleep", "1000"], schedule=EVERY_MINUTE),
        service("plain"),
    ]
    boss = Boss(tmp_path / "home", private_redis.url, tree(*blocks))
    yield boss
    boss.close()


def seen_until(boss: Boss, at: float) -> None:
    """Put the journal back: the schedule was seen to until then."""
    line = orjson.dumps({"k": "slot", "name": "Nightly Job", "at": at}) + b"\n"
    path = boss.home / "run" / "journal.jsonl"
    path.write_bytes(path.read_bytes().rstrip(b"\0") + line)


def test_a_slot_is_carried_out_once_whatever_dies(boss: Boss) -> None:
    boss.start()
    state = boss.wait_status("Nightly Job", "stopped")
    wait_until_sync(lambda: boss.service("Nightly Job")["next_run_at"], what="the next slot")
    assert float(boss.service("Nightly Job")["next_run_at"]) % 60 == 0
    assert boss.service("plain")["next_run_at"] == ""
    boss.kill()
    seen_until(boss, time.time() // 60 * 60 - 1)
    boss.start()
    state = boss.wait_status("Nightly Job", "running")
    wait_until_sync(lambda: boss.redis.keys(RECEIPTS), what="the receipt")
    keys: Any = boss.redis.keys(RECEIPTS)
    command = keys[0].decode().removeprefix("dumb:command:")
    slot = float(command.rpartition(":")[2])
    assert command == command_id_of("Nightly Job", slot)
    receipt = boss.result(command)
    assert (receipt["status"], receipt["source"]) == ("succeeded", "schedule")
    assert boss.run("stop", "Nightly Job")["status"] == "succeeded"
    boss.kill()
    seen_until(boss, slot - 1)
    boss.start()
    wait_until_sync(lambda: boss.service("Nightly Job")["next_run_at"], what="the next slot")
    again = boss.service("Nightly Job")
    assert again["status"] == "stopped" or time.time() // 60 * 60 != slot
    assert int(again["generation"]) - int(state["generation"]) <= time.time() // 60 - slot // 60


def test_a_wrong_schedule_is_refused_with_its_path(boss: Boss) -> None:
    boss.start()
    boss.write_config(tree(service("Nightly Job", schedule={"cron": "61 * * * *"})))
    wait_until_sync(
        lambda: b"key0.schedule.cron" in (boss.redis.get("dumb:config:problem") or b""),
        what="the problem",
    )
