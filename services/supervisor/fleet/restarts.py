"""Automatic restarts: timers and counters around the policy (contract lifecycle 5)."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from services.supervisor.fleet.policy import RestartPolicy, next_attempt
from services.supervisor.identity import since_boot
from services.supervisor.job import AUTO_RESTART, Job
from services.supervisor.unit import Unit
from shared.config.ends import restarts
from shared.models.command import Action, CommandStatus
from shared.models.service import RestartStats
from shared.states import Desired, ServiceStatus

_log = logging.getLogger(__name__)

Submit = Callable[[Action, Unit, str], Job]
PolicyOf = Callable[[str], RestartPolicy | None]

DOWN: Final = frozenset({ServiceStatus.EXITED, ServiceStatus.FAILED})


class Restarter:
    """Decides after each end of a service whether and when it is started again."""

    def __init__(self, units: Mapping[str, Unit], policy: PolicyOf, submit: Submit) -> None:
        self._units = units
        self._policy = policy
        self._submit = submit
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = 0.0
        self.armed = False
        """Nothing is scheduled before the boot has made its starts."""

    def begin(self) -> None:
        """The boot is through: what failed meanwhile is offered once, as every end from now on."""
        self.armed = True
        self._began = since_boot()
        for unit in self._units.values():
            if unit.state.status in DOWN and not unit.busy and self._wanted(unit):
                self.ended(unit)
            elif unit.state.restart.pending:
                self._drop(unit)  # scheduled by a supervisor that is gone

    def close(self) -> None:
        """Nothing is restarted any more."""
        self.armed = False
        for name in list(self._timers):
            self.cancel(name)
        for task in self._tasks:
            task.cancel()

    # -- triggers --------------------------------------------------------------------------

    def ended(self, unit: Unit) -> None:
        """A service ended by itself, or its start failed."""
        if unit.state.completed:
            return
        self._not_recovered(unit, unit.state.exit_reason)
        if self.armed and self._wanted(unit):
            self._schedule(unit, unit.state.exit_reason or "ended")

    def checked(self, unit: Unit, *, healthy: bool, counts: bool, reason: str) -> None:
        """A health check of a running service. `counts`: a failure, not just a bad day."""
        policy = self._policy(unit.name)
        if policy is None or not self.armed:  # not monitored (gaps.md A8), or not yet
            return
        stats = unit.state.restart
        threshold = policy.unhealthy_threshold
        if healthy:
            unit.lifecycle.book.count(unhealthy_count=0, unhealthy_threshold=threshold)
            if stats.awaiting_recovery:
                self._recovered(unit)
            elif stats.pending:
                self._drop(unit)  # it got well before its restart
        elif counts and not self._in_grace(unit, policy):
            count = stats.unhealthy_count + 1
            unit.lifecycle.book.count(unhealthy_count=count, unhealthy_threshold=threshold)
            if count >= threshold:
                self._unhealthy(unit, policy, reason)

    def _unhealthy(self, unit: Unit, policy: RestartPolicy, reason: str) -> None:
        self._not_recovered(unit, reason)
        if policy.restart_on_unhealthy and self._wanted(unit) and not unit.state.restart.pending:
            self._schedule(unit, f"unhealthy: {reason}")

    def _not_recovered(self, unit: Unit, reason: str) -> None:
        """The last attempt brought it up, but not to health."""
        stats = unit.state.restart
        if stats.awaiting_recovery:
            unit.lifecycle.book.count(
                awaiting_recovery=False,
                restart_failures=stats.restart_failures + 1,
                last_failure_reason=reason,
            )

    def _in_grace(self, unit: Unit, policy: RestartPolicy) -> bool:
        """A new process may be unhealthy for a while, as all may when monitoring begins."""
        since = max(unit.lifecycle.launched_at, self._began)
        return since_boot() - since < policy.grace_s

    def _wanted(self, unit: Unit) -> bool:
        return (
            unit.state.desired is Desired.UP
            and restarts(unit.lifecycle.service.block)
            and self._policy(unit.name) is not None
        )

    # -- scheduling ------------------------------------------------------------------------

    def _schedule(self, unit: Unit, reason: str) -> None:
        policy = self._policy(unit.name)
        if policy is None:
            return
        self.cancel(unit.name)
        book = unit.lifecycle.book
        attempt = next_attempt(policy, book.attempts, since_boot())
        book.attempts = attempt.recent
        delay = attempt.delay_s
        if delay is not None and (planned := unit.state.restart.next_restart_time) is not None:
            # Scheduled before, perhaps by a supervisor that is gone: the wait goes on.
            delay = min(delay, max(planned - time.time(), 0.0))
        at = None if delay is None else time.time() + delay
        late = {"last_failure_reason": f"{reason}; {attempt.reason}"} if attempt.reason else {}
        book.count(
            pending=at is not None,
            next_restart_time=at,
            recent_restart_attempts=len(attempt.recent),
            last_exit_time=time.time(),
            last_exit_reason=reason,
            **late,
        )
        if delay is None:
            _log.error("%s is not restarted: %s", unit.name, attempt.reason)
            return
        _log.warning("%s is restarted in %.0f s: %s", unit.name, delay, reason)
        loop = asyncio.get_running_loop()
        self._timers[unit.name] = loop.call_later(delay, self._fire, unit.name)

    def cancel(self, name: str) -> None:
        """Forget the timer of a service; its counters stay."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _drop(self, unit: Unit) -> None:
        self.cancel(unit.name)
        unit.lifecycle.book.count(pending=False, next_restart_time=None)

    def _fire(self, name: str) -> None:
        self._timers.pop(name, None)
        unit = self._units.get(name)
        if unit is None or not unit.state.restart.pending:
            return  # it was started or stopped meanwhile
        if unit.busy or not self._wanted(unit):  # a person's request is under way and decides
            self._drop(unit)
            return
        book, stats = unit.lifecycle.book, unit.state.restart
        book.attempts = (*book.attempts, since_boot())
        book.count(
            pending=False,
            next_restart_time=None,
            restart_attempts=stats.restart_attempts + 1,
            recent_restart_attempts=len(book.attempts),
        )
        action = Action.RESTART if unit.lifecycle.alive else Action.START
        task = asyncio.get_running_loop().create_task(self._follow(unit, action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self, unit: Unit, action: Action) -> None:
        job = self._submit(action, unit, AUTO_RESTART)
        await job.done.wait()
        book, stats = unit.lifecycle.book, unit.state.restart
        succeeded = job.receipt.status is CommandStatus.SUCCEEDED
        if succeeded and unit.lifecycle.alive:
            policy = self._policy(unit.name)
            if policy is None or policy.healthcheck_interval_s <= 0:  # nobody will check it
                self._recovered(unit)
            else:
                book.count(awaiting_recovery=True)
        elif succeeded and unit.state.completed:
            self._recovered(unit)
        elif succeeded or job.receipt.status is CommandStatus.FAILED:
            reason = unit.state.exit_reason if succeeded else job.receipt.detail
            book.count(restart_failures=stats.restart_failures + 1, last_failure_reason=reason)

    def _recovered(self, unit: Unit) -> None:
        stats = unit.state.restart
        unit.lifecycle.book.count(
            awaiting_recovery=False,
            restart_successes=stats.restart_successes + 1,
            last_restart_time=time.time(),
        )

    # -- a clean slate ---------------------------------------------------------------------

    def reset(self, unit: Unit) -> str:
        """Forget all counters; what is down although it is wanted gets a new chance."""
        self.cancel(unit.name)
        book, stats = unit.lifecycle.book, unit.state.restart
        book.attempts = ()
        book.note(
            restart=RestartStats(
                disabled=stats.disabled,
                unhealthy_threshold=stats.unhealthy_threshold,
                readiness_state=stats.readiness_state,
                ready_at=stats.ready_at,
            )
        )
        if unit.state.status in DOWN and not unit.busy:
            self.ended(unit)
        return "restart state reset"
