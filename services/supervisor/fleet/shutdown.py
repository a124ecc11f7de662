"""The end: every service is stopped, what needs others before those, within a hard deadline."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from services.supervisor.job import SHUTDOWN, Job
from services.supervisor.unit import Unit
from shared.config.dependencies import Dependencies
from shared.config.timing import KILL_WAIT_S
from shared.exits import Exit
from shared.models.command import Action
from shared.states import ServiceStatus

_log = logging.getLogger(__name__)

PROGRESS_EVERY_S: Final = 2.0
ORDERLY_S: Final = 90.0
"""So long the order counts. What is not asked to stop by then is asked at once."""

DEADLINE_S: Final = 135.0
"""Whatever lives after this is killed. The launcher waits a little longer for us."""

Submit = Callable[[Action, Unit, str], Job]
Report = Callable[[str], None]


class Shutdown:
    """Stops the units; one run."""

    def __init__(
        self,
        units: Mapping[str, Unit],
        graph: Dependencies,
        submit: Submit,
        report: Report,
        *,
        orderly_s: float = ORDERLY_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._units = units
        self._graph = graph
        self._submit = submit
        self._report = report
        self._orderly_s = orderly_s
        self._deadline_s = deadline_s
        self._jobs: list[Job] = []
        self._began = 0.0
        self._told_at = 0.0

    async def run(self) -> Exit:
        """Return when everything is stopped, or killed, or cannot even be killed."""
        self._began = self._told_at = time.monotonic()
        waves = self._waves()
        _log.info("shutting down: stopping %d services", sum(map(len, waves)))
        for wave in waves:
            self._ask(wave)
            await self._wait(self._orderly_s)
        await self._wait(self._deadline_s)
        late = [unit for unit in self._units.values() if unit.lifecycle.alive]
        if late:
            await self._kill(late)
        return self._verdict()

    def _waves(self) -> list[list[Unit]]:
        """Who needs others first; last what no configuration knows any more."""
        stopping = {name: unit for name, unit in self._units.items() if not _is_down(unit)}
        waves = self._graph.shutdown_waves(stopping)
        known = {name for wave in waves for name in wave}
        strays = [name for name in stopping if name not in known]
        return [[stopping[name] for name in wave] for wave in [*waves, strays] if wave]

    def _ask(self, units: Iterable[Unit]) -> None:
        self._jobs += [self._submit(Action.STOP, unit, SHUTDOWN) for unit in units]

    async def _wait(self, until_s: float) -> None:
        """Wait until every stop so far has its outcome, at most until so long after the begin."""
        while waiting := [job for job in self._jobs if not job.done.is_set()]:
            now = time.monotonic()
            end = self._began + until_s
            if now >= end:
                return
            if now - self._told_at >= PROGRESS_EVERY_S:
                self._tell(waiting, now)
            pause = min(end, self._told_at + PROGRESS_EVERY_S) - now
            tasks = {asyncio.create_task(job.done.wait()) for job in waiting}
            await asyncio.wait(tasks, timeout=pause)
            for task in tasks:
                task.cancel()

    def _tell(self, waiting: list[Job], now: float) -> None:
        self._told_at = now
        names = ", ".join(job.command.process_name for job in waiting)
        passed = now - self._began
        line = f"still stopping: {names} ({passed:.0f} s of at most {self._deadline_s:.0f} s)"
        self._report(line)
        _log.info("%s", line)

    async def _kill(self, late: list[Unit]) -> None:
        names = ", ".join(unit.name for unit in late)
        _log.error("not stopped after %.0f s, killing: %s", self._deadline_s, names)
        for unit in late:
            unit.lifecycle.kill()
        await self._wait(self._deadline_s + KILL_WAIT_S)

    def _verdict(self) -> Exit:
        units = self._units.values()
        left = [unit.name for unit in units if unit.lifecycle.alive]
        if left:
            _log.error("could not be stopped: %s", ", ".join(left))
            return Exit.LEFT_BEHIND
        killed = [unit.name for unit in units if unit.lifecycle.killed]
        if killed:
            _log.warning("everything is stopped; had to be killed: %s", ", ".join(killed))
            return Exit.KILLED
        _log.info("everything is stopped")
        return Exit.OK


def _is_down(unit: Unit) -> bool:
    """Whether there is nothing to stop, and nothing that waits to be started."""
    waits = unit.state.status is ServiceStatus.WAITING
    return not unit.lifecycle.alive and not unit.busy and not waits
