"""The phases of a boot."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.supervisor.fleet import boot as module
from services.supervisor.fleet.boot import Boot
from services.supervisor.fleet.survey import BootOptions
from shared.models.startup import Phase, Startup
from shared.states import Desired, ServiceStatus
from tests.supervisor.fleet.standins import StandIn, stand_in
from tests.support.wait import wait_until

_S = ServiceStatus


class Watched:
    """A boot under way, and what it published."""

    def __init__(
        self, *units: StandIn, timeout: float = 60, stable: float = 0, fresh: bool = True
    ) -> None:
        self.units = {unit.name: unit for unit in units}
        self.moved = asyncio.Event()
        self.told: list[Startup] = []
        known: Any = self.units
        self.boot = Boot(known, self.moved, self.told.append)
        self.task = asyncio.create_task(self._run(BootOptions(timeout, stable), fresh))

    async def _run(self, options: BootOptions, fresh: bool) -> None:
        await self.boot.settle(list(self.units), ["DUMB API"], options, fresh=fresh)
        await self.boot.mend()

    async def phase(self, phase: Phase) -> Startup:
        """Wait for it."""
        await wait_until(lambda: self.boot.status.phase is phase, what=phase)
        return self.boot.status

    def become(
        self, name: str, status: ServiceStatus, *, busy: bool = False, **fields: Any
    ) -> None:
        """A service changes."""
        self.units[name].busy = busy
        self.units[name].become(status, **fields)
        self.moved.set()

    @property
    def phases(self) -> list[Phase]:
        """In the order in which they were told, each once."""
        return list(dict.fromkeys(told.phase for told in self.told))


@pytest_asyncio.fixture
async def watched() -> AsyncIterator[Any]:
    """Makes boots, and ends them."""
    made: list[Watched] = []

    def make(*units: StandIn, **options: Any) -> Watched:
        made.append(Watched(*units, **options))
        return made[-1]

    yield make
    for one in made:
        one.task.cancel()


def _starting(name: str) -> StandIn:
    unit = stand_in(name, _S.STARTING, waiting_for="port 5432")
    unit.busy = True
    return unit


async def test_ready_when_all_have_been_ready_for_long_enough(watched: Any) -> None:
    boot = watched(_starting("a"), stand_in("b", _S.RUNNING), stable=0.1)
    started = await boot.phase(Phase.STARTING_SERVICES)
    assert started.expected_services == ("DUMB API", "a", "b")
    await wait_until(lambda: boot.boot.status.reason == "1/2 ready, waiting for a: port 5432")
    boot.become("a", _S.RUNNING)
    assert (await boot.phase(Phase.STABILIZING)).completed_at is None
    ready = await boot.phase(Phase.READY)
    assert ready.completed_at is not None
    assert (ready.reason, ready.failures) == ("", {})
    assert boot.phases == [Phase.STARTING_SERVICES, Phase.STABILIZING, Phase.READY]


async def test_one_that_starts_anew_begins_the_count_again(watched: Any) -> None:
    boot = watched(_starting("a"), stable=0.3)
    boot.become("a", _S.RUNNING)
    await boot.phase(Phase.STABILIZING)
    boot.become("a", _S.STARTING, busy=True)
    await wait_until(lambda: boot.boot.status.reason.startswith("0/1 ready"))
    assert boot.boot.status.phase is Phase.STABILIZING
    boot.become("a", _S.RUNNING)
    await boot.phase(Phase.READY)


async def test_a_failure_degrades_and_mends(watched: Any) -> None:
    boot = watched(_starting("a"), _starting("b"), stand_in("c", _S.RUNNING))
    boot.become("a", _S.FAILED, exit_reason="exit code 3")
    boot.become("b", _S.WAITING, waiting_for="a: failed (exit code 3)")
    degraded = await boot.phase(Phase.DEGRADED)
    held = "waiting for a: failed (exit code 3)"
    assert degraded.failures == {"a": "exit code 3", "b": held}
    assert degraded.reason == "not ready: a, b"
    boot.become("a", _S.RUNNING)
    await wait_until(lambda: boot.boot.status.failures == {"b": held})
    assert boot.boot.status.phase is Phase.DEGRADED
    boot.become("b", _S.RUNNING)
    assert (await boot.phase(Phase.READY)).failures == {}


async def test_what_is_not_there_in_time_is_named_with_its_reason(watched: Any) -> None:
    boot = watched(_starting("slow"), timeout=0.05)
    assert (await boot.phase(Phase.DEGRADED)).failures == {"slow": "port 5432"}
    boot.become("slow", _S.RUNNING)
    await boot.phase(Phase.READY)


async def test_what_was_adopted_has_proved_itself(watched: Any) -> None:
    boot = watched(stand_in("a", _S.RUNNING), stable=60, fresh=False)
    await boot.phase(Phase.READY)


async def test_what_somebody_stopped_meanwhile_is_no_failure(watched: Any) -> None:
    boot = watched(_starting("a"), stand_in("b", _S.RUNNING))
    boot.become("a", _S.STOPPED, desired=Desired.DOWN)
    assert (await boot.phase(Phase.READY)).failures == {}


async def test_the_progress_is_told_now_and_then(
    watched: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PROGRESS_EVERY_S", 0.01)
    caplog.set_level(logging.INFO)
    boot = watched(_starting("PostgreSQL"), stand_in("b", _S.RUNNING))
    line = "1/2 ready, waiting for PostgreSQL: port 5432"
    await wait_until(lambda: line in caplog.messages)
    boot.become("PostgreSQL", _S.RUNNING)
    await boot.phase(Phase.READY)
    assert caplog.messages.count(line) == 1  # not again while nothing changes
    assert caplog.messages[-1] == "2/2 ready"
