"""The state of one service: one place where it changes, is journalled and is announced."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from services.supervisor.identity import Identity, boot_id
from services.supervisor.journal import Journal
from services.supervisor.machine import READINESS, change, health_of
from services.supervisor.outbox import Outbox
from services.supervisor.probes.verdict import Verdict
from services.supervisor.spawn import configured_ports
from shared.config.services import ServiceBlock
from shared.models.service import ServiceState
from shared.states import ServiceStatus
from shared.texts import encodable

_log = logging.getLogger(__name__)

Changed = Callable[[ServiceState, ServiceState], None]
"""Told of every change: the state before, the state after."""


class StateBook:
    """A level with a history: the journal first, then Redis, then whoever follows."""

    def __init__(
        self,
        service: ServiceBlock,
        state: ServiceState,
        journal: Journal,
        outbox: Outbox,
        changed: Changed,
    ) -> None:
        self.service = service
        self.state = state
        self.identity: Identity | None = None
        """The last process, while something that it started may still be there."""
        self.attempts: tuple[float, ...] = _attempts(journal, state.process_name)
        """When automatic restarts were tried, in seconds since boot."""
        self._journal = journal
        self._outbox = outbox
        self._changed = changed

    def change(self, status: ServiceStatus, *, completed: bool = False, **fields: Any) -> None:
        """Change the state. `completed`: it ended as it should.

        Raises:
            TransitionError: the table has no such change.
        """
        before = self.state
        merged = dict(fields)
        if status is not before.status:
            now = time.time()
            ports = configured_ports(self.service.block)
            merged = {
                "waiting_for": "",
                "in_exit_window": False,
                "waiting_since": now if status is ServiceStatus.WAITING else None,
                **health_of(status, ports),
                "health_checked_at": now,
                **fields,
            }
        restart = merged.get("restart", before.restart)
        if status is not before.status or merged.get("ready_at"):
            state = "ready" if completed else READINESS.get(status, "pending")
            ready_at = merged.get("ready_at", before.ready_at)
            restart = replace(restart, readiness_state=state, ready_at=ready_at)
        merged["restart"] = restart
        for name, value in merged.items():
            if isinstance(value, str):  # a reason may name a file, whose name is any bytes
                merged[name] = encodable(value)
        self.state = change(before, status, **merged)
        self.record()
        self._outbox.state(self.state)
        self._changed(before, self.state)

    def note(self, **fields: Any) -> None:
        """Change fields and not the status."""
        self.change(self.state.status, **fields)

    def found(self, verdict: Verdict, readiness: str) -> None:
        """A health check says something else than before."""
        restart = replace(self.state.restart, readiness_state=readiness)
        self.note(**health_fields(verdict), health_checked_at=time.time(), restart=restart)

    def count(self, **counters: Any) -> None:
        """Change counters of `RestartStats`, if they are other ones."""
        restart = replace(self.state.restart, **counters)
        if restart != self.state.restart:
            self.note(restart=restart)

    def say_log_problem(self, problem: str) -> None:
        """Why the log file of the service is not read or written, "" while it is."""
        if problem != self.state.log_problem:
            if problem:
                _log.warning("%s: %s", self.state.process_name, problem)
            self.note(log_problem=problem)

    def record(self, spawning: str = "") -> None:
        """Journal the state; `spawning` is the token of a process that is about to be started."""
        process: dict[str, Any] | None = None
        if spawning:
            process = {"instance": spawning, "generation": self.state.generation + 1, "pid": None}
        elif self.identity is not None:
            process = asdict(self.identity)
        name = self.state.process_name
        self._journal.service(name, self.state.to_tree(), process, self.attempts)


def health_fields(verdict: Verdict) -> dict[str, Any]:
    """What a check found, as fields of the state."""
    return {
        "health": verdict.health.value,
        "health_reason": verdict.reason,
        "health_details": verdict.details,
    }


def _attempts(journal: Journal, name: str) -> tuple[float, ...]:
    """What the journal remembers of restarts; their clock starts anew with each boot."""
    saved = journal.memory.services.get(name, {}).get("attempts")
    if journal.memory.boot_id != boot_id() or not isinstance(saved, list):
        return ()
    return tuple(float(at) for at in saved if isinstance(at, int | float))
