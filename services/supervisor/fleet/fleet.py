"""The services as a whole: who may start, who is held, who follows when another one changes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from services.supervisor.effects import HeldError, Tell
from services.supervisor.fleet.followers import Followers
from services.supervisor.fleet.health import HealthMonitor
from services.supervisor.fleet.needs import Look, Other, Standing, judge, summary
from services.supervisor.fleet.restarts import DOWN, Restarter
from services.supervisor.job import NEEDED, RELEASED, Job
from services.supervisor.registry import Registry
from services.supervisor.spawn import LaunchError
from services.supervisor.unit import Unit
from shared.config.dependencies import Dependencies
from shared.config.services import ServiceBlock
from shared.models.command import Action
from shared.models.service import ServiceState
from shared.states import Desired, ServiceStatus

_log = logging.getLogger(__name__)

Submit = Callable[[Action, Unit, str], Job]
Graph = Callable[[], Dependencies]

_UP: Final = frozenset({ServiceStatus.WAITING, ServiceStatus.STARTING, ServiceStatus.RUNNING})


class Fleet:
    """The `Others` of every service. All of it runs on the event loop."""

    def __init__(
        self,
        registry: Registry,
        graph: Graph,
        submit: Submit,
        restarter: Restarter,
        monitor: HealthMonitor,
    ) -> None:
        self._registry = registry
        self._graph = graph
        self._submit = submit
        self._restarter = restarter
        self._monitor = monitor
        self._followers = Followers(submit, monitor.probe)
        self._admitting: dict[str, asyncio.Event] = {}
        """Set when it is worth looking again, by the service that waits to be admitted."""
        self.moved = asyncio.Event()
        """Set at every change; for the boot."""
        self.closing = False
        """Nothing is started by itself any more."""

    # -- before a start --------------------------------------------------------------------

    async def admit(self, service: ServiceBlock, tell: Tell, *, pull: bool) -> None:
        """See `Others.admit`."""
        name = service.process_name
        self._refuse_problems(name)
        tried: set[str] = set()
        again = self._admitting[name] = asyncio.Event()
        try:
            while open_needs := [look for look in self.look(name) if look.what]:
                again.clear()
                down = [look for look in open_needs if look.standing is Standing.DOWN]
                fresh = {look.on for look in down} - tried if pull else set()
                # Who fails from here on was tried, by us or by somebody else.
                tried |= {look.on for look in open_needs}
                if fresh:
                    self._pull(fresh)
                    continue
                if down:
                    raise HeldError(summary(down))
                tell(summary(open_needs))
                await again.wait()
        finally:
            del self._admitting[name]

    def look(self, name: str) -> list[Look]:
        """How it stands with everything that a service needs."""
        return [judge(need, self._other(need.on)) for need in self._graph().needs.get(name, ())]

    def _other(self, name: str) -> Other | None:
        unit = self._registry.units.get(name)
        return None if unit is None else Other(unit.state, unit.busy, unit.leaving)

    def _refuse_problems(self, name: str) -> None:
        problems = [p for p in self._graph().problems if p.process_name == name]
        if problems:
            where, why = ".".join(problems[0].path), problems[0].message
            end = "" if why.endswith("?") else "."
            raise LaunchError(f"'{name}' is not started: {where}: {why}{end}")

    def _pull(self, names: set[str]) -> None:
        for name in sorted(names):
            unit = self._registry.units.get(name)
            if unit is not None and not self.closing:
                _log.info("starting %s: it is needed", name)
                self._submit(Action.START, unit, NEEDED)

    # -- news ------------------------------------------------------------------------------

    def changed(self, before: ServiceState, after: ServiceState) -> None:
        """See `Others.changed`. Called while the change is made: what follows is only begun."""
        name = after.process_name
        self._wake(name)
        unit = self._registry.units.get(name)
        if unit is None or self.closing:
            return
        self._monitor.changed(unit)
        if before.status is after.status:
            return
        if after.status in DOWN and not unit.busy:
            self._restarter.ended(unit)
        if after.status is ServiceStatus.RUNNING:
            self._followers.came_up(unit, self._users(name))

    def rested(self, name: str) -> None:
        """See `Others.rested`."""
        self._wake(name)
        unit = self._registry.units.get(name)
        if unit is not None and unit.state.status in DOWN and not self.closing:
            self._restarter.ended(unit)

    def reconfigured(self) -> None:
        """The graph is another one: whoever waits looks again."""
        self._monitor.reconfigured()
        for name in self._registry.units:
            self._look_again(name)

    def _wake(self, name: str) -> None:
        self.moved.set()
        for user in self._graph().dependents.get(name, ()):
            self._look_again(user)

    def _look_again(self, name: str) -> None:
        if (waiting := self._admitting.get(name)) is not None:
            waiting.set()
            return
        unit = self._registry.units.get(name)
        if unit is None or self.closing or not is_held(unit):
            return
        if all(look.standing is not Standing.DOWN for look in self.look(name)):
            self._submit(Action.START, unit, RELEASED)

    # -- who needs it ----------------------------------------------------------------------

    def users_of(self, name: str) -> list[str]:
        """See `Others.users_of`."""
        return [unit.name for unit in self._users(name) if unit.state.status in _UP]

    def _users(self, name: str) -> list[Unit]:
        names = self._graph().dependents.get(name, ())
        return [self._registry.units[user] for user in names if user in self._registry.units]


def is_held(unit: Unit) -> bool:
    """Whether it should run, waits for another service, and nobody works on it."""
    state = unit.state
    waits = state.status is ServiceStatus.WAITING and state.desired is Desired.UP
    return waits and not unit.busy
