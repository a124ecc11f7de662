"""The end: its order, its deadline, its progress, its exit code."""

import asyncio
import logging
from typing import Any

import pytest

from services.supervisor.fleet import shutdown as module
from services.supervisor.fleet.shutdown import Shutdown
from shared.config.dependencies import Dependencies, dependencies
from shared.config.pages import config_of
from shared.exits import Exit
from shared.states import ServiceStatus
from tests.supervisor.fleet.standins import Asked, StandIn, stand_in
from tests.support.wait import wait_until

_S = ServiceStatus


def _graph(**needs: str) -> Dependencies:
    tree = {
        name: {
            "process_name": name,
            "enabled": True,
            "depends_on": dict.fromkeys(on.split(), "ready"),
        }
        for name, on in needs.items()
    }
    return dependencies(config_of(tree))


class End:
    """A shutdown under way."""

    def __init__(self, asked: Asked, graph: Dependencies, *units: StandIn, **limits: float) -> None:
        self.units = {unit.name: unit for unit in units}
        self.told: list[str] = []
        self._asked = asked
        run: Any = self.units
        self.task = asyncio.create_task(
            Shutdown(run, graph, asked, self.told.append, **limits).run()
        )

    async def until_asked(self, *names: str) -> None:
        """Exactly these were asked to stop so far, in any order."""
        await wait_until(lambda: sorted(self._asked.names) == sorted(names), what=f"{names}")

    def stop(self, name: str) -> None:
        """It has stopped."""
        self.units[name].become(_S.STOPPED)
        self._asked.finish(name)


def _running(*names: str) -> list[StandIn]:
    return [stand_in(name, _S.RUNNING) for name in names]


async def test_users_first_and_together_then_what_they_needed(asked: Asked) -> None:
    graph = _graph(db="", front="db", back="db", alone="")
    stray = stand_in("stray", _S.RUNNING)
    end = End(asked, graph, *_running("db", "front", "back", "alone"), stray)
    await end.until_asked("front", "back", "alone")
    end.stop("front")
    end.stop("alone")
    await end.until_asked("front", "back", "alone")
    end.stop("back")
    await end.until_asked("front", "back", "alone", "db")
    end.stop("db")
    await end.until_asked("front", "back", "alone", "db", "stray")
    end.stop("stray")
    assert await end.task is Exit.OK


async def test_what_is_down_is_left_alone_and_what_waits_is_called_off(asked: Asked) -> None:
    down = [stand_in("a", _S.STOPPED), stand_in("b", _S.FAILED), stand_in("c", _S.EXITED)]
    busy = stand_in("busy", _S.STOPPED)
    busy.busy = True
    end = End(
        asked, _graph(a="", b="", c="", w="", busy=""), *down, stand_in("w", _S.WAITING), busy
    )
    await end.until_asked("w", "busy")
    end.stop("w")
    end.stop("busy")
    assert await end.task is Exit.OK


async def test_the_order_counts_only_so_long_and_the_rest_is_killed(
    asked: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    deaf, db = _running("deaf", "db")
    end = End(asked, _graph(deaf="db", db=""), deaf, db, orderly_s=0.05, deadline_s=0.2)
    deaf.on_kill = lambda: end.stop("deaf")
    await end.until_asked("deaf", "db")
    assert not end.task.done()
    end.stop("db")
    assert await end.task is Exit.KILLED
    assert "not stopped after 0 s, killing: deaf" in caplog.text
    assert not db.killed


async def test_what_cannot_be_killed_is_left_behind(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KILL_WAIT_S", 0.05)
    end = End(asked, _graph(stuck=""), *_running("stuck"), orderly_s=0, deadline_s=0.05)
    assert await end.task is Exit.LEFT_BEHIND


async def test_it_says_what_it_waits_for(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PROGRESS_EVERY_S", 0.01)
    caplog.set_level(logging.INFO)
    end = End(asked, _graph(a="", b=""), *_running("a", "b"))
    await wait_until(lambda: len(end.told) >= 2)
    assert end.told[0] == "still stopping: a, b (0 s of at most 135 s)"
    assert end.told[0] in caplog.text
    end.stop("a")
    await wait_until(lambda: end.told[-1].startswith("still stopping: b ("))
    end.stop("b")
    assert await end.task is Exit.OK


async def test_one_that_had_to_be_killed_shows_in_the_exit_code(asked: Asked) -> None:
    (one,) = _running("one")
    end = End(asked, _graph(one=""), one)
    await end.until_asked("one")
    one.killed = True
    end.stop("one")
    assert await end.task is Exit.KILLED
