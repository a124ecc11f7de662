"""What a new supervisor makes of what its predecessor left: adopt, mourn, decide what to start."""

import logging
import os
from collections.abc import Iterator
from typing import Any

from services.supervisor.identity import Identity, boot_id, find_leader, open_pidfd, start_ticks
from services.supervisor.journal import Journal
from services.supervisor.lifecycle import AWAY
from services.supervisor.logs import LogShelf
from services.supervisor.outbox import Outbox
from services.supervisor.registry import Registry
from services.supervisor.unit import Unit
from shared.config.dependencies import Dependencies
from shared.config.services import ServiceBlock
from shared.models.command import Action
from shared.models.service import ServiceState
from shared.states import Desired, ServiceStatus

_log = logging.getLogger(__name__)

Start = tuple[Action, Unit]
"""Something that a new supervisor has to do at once."""


class Recovery:
    """Runs once, before the first command is read."""

    def __init__(
        self, registry: Registry, journal: Journal, shelf: LogShelf, outbox: Outbox
    ) -> None:
        self._registry = registry
        self._journal = journal
        self._shelf = shelf
        self._outbox = outbox
        self._was_up: set[str] = set()
        self.adopted = 0

    def take_over(self) -> None:
        """Find every process of the journal again, or note its end."""
        self._keep_running_strays()
        for unit in list(self._registry.units.values()):
            record = self._journal.memory.services.get(unit.name, {})
            process = record.get("process")
            if _was_up(unit.state):
                self._was_up.add(unit.name)
            try:
                self._take_over(unit, process)
            except OSError as error:
                _log.error("cannot take over %s: %s", unit.name, error)

    def _take_over(self, unit: Unit, process: Any) -> None:
        life = unit.lifecycle
        if self._shelf.known(life.service):
            self._shelf.captured(life.service)  # its stream in Redis is compared at connect
        identity, generation = _identify(process, unit.state.generation)
        pidfd = open_pidfd(identity) if identity is not None else None
        if identity is None or pidfd is None:
            if process is not None and process.get("pid") is None:
                self._was_up.add(unit.name)  # a spawn that never came about
            life.lost(identity)
            return
        life.adopt(identity, pidfd, generation)
        self.adopted += 1
        self._outbox.audit("adopt", unit.name, f"pid {identity.pid} found running")
        _log.info("adopted %s (pid %d)", unit.name, identity.pid)

    def _keep_running_strays(self) -> None:
        """A service whose block was removed while it ran stays manageable until it stops."""
        for name, record in self._journal.memory.services.items():
            if name in self._registry.units or not record.get("process"):
                continue
            identity, _ = _identify(record["process"], 0)
            pidfd = open_pidfd(identity) if identity is not None else None
            if pidfd is None:
                continue
            os.close(pidfd)
            stray = ServiceBlock(
                process_name=name, config_key="", instance="", path=(), block={}, enabled=False
            )
            self._registry.adopt_stray(stray)

    def plan(self, graph: Dependencies, *, clean: bool) -> list[Start]:
        """What to do now. After a clean end or a reboot `enabled` decides, else what was wanted.

        It is journalled: whoever comes after us finds the same plan, however short we live.
        """
        plan = list(self._plan(clean=clean))
        if clean:
            plan += self._needed(graph, [unit.name for _, unit in plan])
            self._forget_wishes({unit.name for _, unit in plan})
        for action, unit in plan:
            if action is Action.START and not unit.lifecycle.alive:
                _wish(unit)
        return plan

    def _forget_wishes(self, planned: set[str]) -> None:
        """What was wanted in another life is not what a crash of this one brings back."""
        for unit in self._registry.units.values():
            wanted = unit.state.desired is Desired.UP
            if wanted and not unit.lifecycle.alive and unit.name not in planned:
                unit.lifecycle.book.note(desired=Desired.DOWN)

    def _plan(self, *, clean: bool) -> Iterator[Start]:
        for unit in self._registry.units.values():
            state = unit.state
            if state.status is ServiceStatus.STOPPING:
                yield Action.RESTART if state.desired is Desired.UP else Action.STOP, unit
            elif state.status is ServiceStatus.STARTING:
                yield Action.START, unit  # joins the start under way: waits until it is ready
            elif unit.lifecycle.alive:
                continue
            elif (clean and unit.lifecycle.service.enabled) or (
                not clean and unit.name in self._was_up
            ):
                yield Action.START, unit

    def _needed(self, graph: Dependencies, names: list[str]) -> Iterator[Start]:
        """What is not enabled, but what is to be started needs it."""
        needed = {on for name in names for on in graph.needs_of(name, transitive=True)}
        for name in sorted(needed.difference(names)):
            unit = self._registry.units.get(name)
            if unit is not None and not unit.lifecycle.alive:
                yield Action.START, unit


def _was_up(state: ServiceState) -> bool:
    """Whether it ran, or was about to be started.

    "Stopped" although it should be up: a restart between its two halves, or a plan (`_wish`);
    "ended while the supervisor was away": a successor that had no time to plan.
    """
    about_to = state.status in {ServiceStatus.STOPPED, ServiceStatus.WAITING}
    unseen = state.status is ServiceStatus.EXITED and state.exit_reason == AWAY
    return state.desired is Desired.UP and (state.alive or about_to or unseen)


def _wish(unit: Unit) -> None:
    """Write down that it is to be started: "stopped" although it should be up."""
    state = unit.state
    if state.status in {ServiceStatus.EXITED, ServiceStatus.FAILED}:
        unit.lifecycle.book.change(ServiceStatus.STOPPED, desired=Desired.UP)
    elif state.desired is not Desired.UP:
        unit.lifecycle.book.note(desired=Desired.UP)


def state_of(block: ServiceBlock, saved: Any) -> ServiceState:
    """What the journal remembers of a service, under what its block says today."""
    state = ServiceState(process_name=block.process_name)
    if isinstance(saved, dict):
        try:
            state = ServiceState.from_mapping(saved)
        except ValueError as error:
            _log.warning("the journal's state of %s is unusable: %s", block.process_name, error)
    return state.with_(enabled=block.enabled, config_key=block.config_key, instance=block.instance)


def _identify(process: Any, generation: int) -> tuple[Identity | None, int]:
    """The identity of a journalled process; an intent without a pid is searched for."""
    if not isinstance(process, dict):
        return None, generation
    pid = process.get("pid")
    if pid is None:
        pid = find_leader(process["instance"])
        if pid is None:
            return None, generation
        ticks = start_ticks(pid)
        if ticks is None:
            return None, generation
        identity = Identity(pid, ticks, boot_id(), process["instance"])
        return identity, int(process["generation"])
    return (
        Identity(pid, process["start_ticks"], process["boot_id"], process["instance"]),
        generation,
    )
