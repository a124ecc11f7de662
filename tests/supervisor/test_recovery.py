"""What is planned survives a supervisor that is killed before it begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.supervisor.effects import Effects
from services.supervisor.journal import Journal
from services.supervisor.lifecycle import AWAY, Lifecycle
from services.supervisor.logs import LogShelf
from services.supervisor.outbox import Outbox
from services.supervisor.recovery import Recovery, state_of
from services.supervisor.registry import Registry
from services.supervisor.unit import Unit
from shared.bus.keys import Keys
from shared.config.dependencies import dependencies
from shared.config.pages import config_of
from shared.config.services import ServiceBlock, walk_services
from shared.models.command import Action
from shared.states import Desired, ServiceStatus
from tests.supervisor.blocks import around
from tests.support.claim import NO_FENCE

TREE = {
    name: {"process_name": name, "enabled": name != "off", "command": ["true"]}
    for name in ("one", "two", "off")
}
Plan = list[tuple[Action, str]]


class Life:
    """One supervisor after another on the same directory, as far as recovery goes."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @contextmanager
    def begun(self) -> Iterator[tuple[Journal, Registry, Recovery]]:
        """A supervisor that has read the journal; at the end it is killed."""
        journal = Journal(self.home / "journal.jsonl")
        shelf = LogShelf(self.home / "log", self.home / "pos")
        effects = Effects(
            journal=journal,
            outbox=Outbox(Keys(), list, NO_FENCE),
            shelf=shelf,
            run_dir=self.home,
            surroundings=lambda: around(self.home),
            throttle=lambda _capture, _feed: None,
        )

        def make(block: ServiceBlock) -> Unit:
            record = journal.memory.services.get(block.process_name, {})
            return Unit(Lifecycle(block, state_of(block, record.get("state")), effects))

        registry = Registry(make)
        registry.configure(walk_services(config_of(TREE)))
        yield journal, registry, Recovery(registry, journal, shelf, effects.outbox)
        shelf.close()
        journal.close()

    def plan(self, *, clean: bool) -> Plan:
        """What a supervisor plans, which is killed right after it has said that it is in charge."""
        with self.begun() as (journal, _, recovery):
            recovery.take_over()
            plan = recovery.plan(dependencies(config_of(TREE)), clean=clean)
            journal.begin_run("this boot")
            return [(action, unit.name) for action, unit in plan]

    def leave(self, change: Callable[[Unit], None]) -> None:
        """What an earlier supervisor wrote down of "one"."""
        with self.begun() as (_, registry, _recovery):
            change(registry.units["one"])


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


BOTH: Plan = [(Action.START, "one"), (Action.START, "two")]


def test_the_next_one_finds_the_plan_of_one_that_was_killed_at_once(life: Life) -> None:
    assert life.plan(clean=True) == BOTH
    assert life.plan(clean=False) == BOTH
    assert life.plan(clean=False) == BOTH


@pytest.mark.parametrize("status", [ServiceStatus.EXITED, ServiceStatus.FAILED])
def test_so_it_is_for_a_service_that_had_ended(life: Life, status: ServiceStatus) -> None:
    def ended(unit: Unit) -> None:
        unit.lifecycle.book.change(ServiceStatus.STARTING, desired=Desired.UP)
        unit.lifecycle.book.change(status, exit_reason="exit code 3")

    life.leave(ended)
    assert life.plan(clean=False) == []  # it had ended by itself: a crash brings nothing back
    assert life.plan(clean=True) == BOTH
    assert life.plan(clean=False) == BOTH


def test_an_end_that_nobody_saw_is_made_good_by_whoever_comes_to_plan(life: Life) -> None:
    def mourned(unit: Unit) -> None:
        unit.lifecycle.book.change(ServiceStatus.STARTING, desired=Desired.UP)
        unit.lifecycle.book.change(ServiceStatus.EXITED, exit_reason=AWAY)

    life.leave(mourned)
    assert life.plan(clean=False) == [(Action.START, "one")]
    assert life.plan(clean=False) == [(Action.START, "one")]


def test_what_a_person_stopped_stays_stopped(life: Life) -> None:
    def stopped(unit: Unit) -> None:
        unit.lifecycle.book.change(ServiceStatus.STARTING, desired=Desired.UP)
        unit.lifecycle.book.change(ServiceStatus.STOPPING, desired=Desired.DOWN)
        unit.lifecycle.book.change(ServiceStatus.STOPPED)

    life.leave(stopped)
    assert life.plan(clean=False) == []
