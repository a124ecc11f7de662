"""Watches every running service: checks spread over time, results kept in its state."""

import asyncio
import contextlib
import itertools
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from services.supervisor.fleet.health_plan import DEFAULT_INTERVAL_S, HealthPlan, Role
from services.supervisor.fleet.policy import RestartPolicy
from services.supervisor.identity import since_boot
from services.supervisor.probes.verdict import Health, Verdict
from services.supervisor.unit import Unit
from shared.states import ServiceStatus

_log = logging.getLogger(__name__)

GOLDEN: Final = 0.6180339887
"""Multiples of it, without their whole part, spread evenly however many there are."""
_VOLATILE: Final = "latency_ms"

PolicyOf = Callable[[str], RestartPolicy | None]
Checked = Callable[..., None]
"""`Restarter.checked`."""


class HealthMonitor:
    """One task per service that runs; none while it stops."""

    def __init__(self, policy: PolicyOf, checked: Checked) -> None:
        self._policy = policy
        self._checked = checked
        self._watches: dict[str, tuple[_Watch, asyncio.Task[None]]] = {}
        self._numbers = itertools.count()

    def changed(self, unit: Unit) -> None:
        """The state of a service changed: begin or end to watch it."""
        name, state = unit.name, unit.state
        known = self._watches.get(name)
        wanted = state.status is ServiceStatus.RUNNING or unit.lifecycle.overdue
        if known is not None and (not wanted or known[0].generation != state.generation):
            del self._watches[name]
            known[1].cancel()
            known = None
        if wanted and known is None:
            watch = _Watch(unit, self._policy, self._checked)
            unknown = state.health == Health.STARTING
            offset = 0.0 if unknown else next(self._numbers) * GOLDEN % 1
            task = asyncio.get_running_loop().create_task(watch.run(offset))
            self._watches[name] = (watch, task)

    def probe(self, unit: Unit) -> None:
        """Check it now instead of at its next turn."""
        if (known := self._watches.get(unit.name)) is not None:
            known[0].soon.set()

    def reconfigured(self) -> None:
        """Blocks are other ones: who would be checked at another pace is checked now."""
        for watch, _ in self._watches.values():
            if watch.interval_s != watch.waits_s:
                watch.soon.set()

    def close(self) -> None:
        """Check nothing any more."""
        for _, task in self._watches.values():
            task.cancel()
        self._watches.clear()

    @property
    def watched(self) -> frozenset[str]:
        """The services that are watched now."""
        return frozenset(self._watches)


@dataclass(slots=True)
class _Streak:
    """What is believed of a role, and how often in a row it was contradicted."""

    good: bool = True
    against: int = 0

    def take(self, role: Role, *, good: bool) -> bool:
        """Whether the news is believed."""
        if good is self.good:
            self.against = 0
            return True
        self.against += 1
        if self.against < (role.successes if good else role.failures):
            return False
        self.good, self.against = good, 0
        return True


class _Watch:
    """The checks of one generation."""

    def __init__(self, unit: Unit, policy: PolicyOf, checked: Checked) -> None:
        self.generation = unit.state.generation
        self.soon = asyncio.Event()
        """Set to be checked now."""
        self.waits_s = 0.0
        """The interval that it keeps to now."""
        self._unit = unit
        self._policy = policy
        self._checked = checked
        self._alive, self._usable = _Streak(), _Streak()
        self._was_well = False
        self._counted_at = -math.inf

    async def run(self, offset: float) -> None:
        """Check at every interval until cancelled; the first time after that part of one."""
        self.waits_s = self.interval_s
        pause = min(self.waits_s, DEFAULT_INTERVAL_S) * offset
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.soon.wait()
            self.soon.clear()
            began = time.monotonic()
            try:
                await self.check()
            except Exception:  # noqa: BLE001 - an edge: a fault of ours must not end all checks
                _log.exception("checking the health of %s failed", self._unit.name)
            self.waits_s = self.interval_s
            pause = max(self.waits_s - (time.monotonic() - began), self.waits_s / 10)

    @property
    def plan(self) -> HealthPlan:
        """As it is configured now."""
        return self._unit.lifecycle.health_plan

    @property
    def interval_s(self) -> float:
        """Between two checks: as configured, else no longer than restarts need it."""
        plan = self.plan
        own = [r.interval_s for r in (plan.liveness, plan.readiness) if r and r.interval_s]
        return min(own) if own else min(DEFAULT_INTERVAL_S, self._counting_s or DEFAULT_INTERVAL_S)

    @property
    def _counting_s(self) -> float | None:
        """Between two checks that count for a restart; None: none does."""
        policy = self._policy(self._unit.name)
        if policy is None or policy.healthcheck_interval_s <= 0:
            return None
        return self.plan.liveness.interval_s or policy.healthcheck_interval_s

    def _current(self) -> bool:
        state = self._unit.state
        return state.generation == self.generation and (
            state.status is ServiceStatus.RUNNING or self._unit.lifecycle.overdue
        )

    async def check(self) -> None:
        """Ask, then write down what is other than before. Late news are dropped."""
        plan = self.plan
        verdict = await plan.liveness.check()
        usable = await plan.readiness.check() if plan.readiness is not None else None
        if not self._current():
            return
        if plan.readiness is not None and usable is not None:
            self._usable.take(plan.readiness, good=usable.ready)
        verdict = self._in_start_period(plan, verdict)
        if verdict.ready and usable is not None and not self._usable.good:
            health = Health.UNHEALTHY if self._unit.lifecycle.overdue else Health.DEGRADED
            verdict = Verdict(health, f"Not ready: {usable.reason}", usable.details)
        if self._alive.take(plan.liveness, good=verdict.health is not Health.UNHEALTHY):
            self._write(verdict)
            self._count(verdict)

    def _in_start_period(self, plan: HealthPlan, verdict: Verdict) -> Verdict:
        """Right after a start a failure means that it is not there yet."""
        if verdict.health is not Health.UNHEALTHY:
            self._was_well = True
            return verdict
        age = since_boot() - self._unit.lifecycle.launched_at
        if self._was_well or age >= plan.start_period_s:
            return verdict
        return Verdict(Health.STARTING, verdict.reason, verdict.details)

    def _write(self, verdict: Verdict) -> None:
        state = self._unit.state
        readiness = self._readiness(verdict)
        restart = state.restart
        same = (
            state.health == verdict.health
            and state.health_reason == verdict.reason
            and _steady(state.health_details) == _steady(verdict.details)
            and restart.readiness_state == readiness
        )
        if not same:
            self._unit.lifecycle.book.found(verdict, readiness)

    def _readiness(self, verdict: Verdict) -> str:
        """`readiness_state` of RestartStats."""
        if verdict.health is Health.UNHEALTHY and not self._unit.lifecycle.overdue:
            return "unhealthy"
        running = self._unit.state.status is ServiceStatus.RUNNING
        return "ready" if running and verdict.ready and self._usable.good else "starting"

    def _count(self, verdict: Verdict) -> None:
        """Tell whoever restarts. Good news at once, bad news as often as the policy wants it."""
        every = self._counting_s
        if every is None:
            return
        counts = verdict.health is Health.UNHEALTHY
        if counts:
            now = time.monotonic()
            if now - self._counted_at < every * 0.95:
                return
            self._counted_at = now
        self._checked(self._unit, healthy=verdict.ready, counts=counts, reason=verdict.reason)


def _steady(details: dict[str, Any] | None) -> dict[str, Any]:
    """Without what is another one each time."""
    return {key: value for key, value in (details or {}).items() if key != _VOLATILE}
