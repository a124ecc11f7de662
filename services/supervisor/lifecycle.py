"""Start, stop, restart of one service, and what happens when it ends by itself."""

import asyncio
import contextlib
import logging
import secrets
import signal
import time
from dataclasses import replace
from typing import Any, Final

from services.supervisor.capture import Capture
from services.supervisor.effects import Effects, HeldError
from services.supervisor.failure import best_line, describe_exit
from services.supervisor.fleet.health_plan import HealthPlan, Planner
from services.supervisor.identity import Identity, members, since_boot, start_ticks
from services.supervisor.journal import JournalError
from services.supervisor.launching import Launched, Launcher
from services.supervisor.probes.verdict import Health, Verdict
from services.supervisor.process import Exit, Process
from services.supervisor.readiness import Readiness
from services.supervisor.spawn import LaunchError, LaunchSpec, stop_policy
from services.supervisor.statebook import StateBook, health_fields
from services.supervisor.stopper import Report, end_survivors, stop
from shared.config.ends import expected_exits
from shared.config.services import ServiceBlock
from shared.errors import DumbError
from shared.models.service import RestartStats, ServiceState
from shared.states import ALIVE, Desired, ServiceStatus

_log = logging.getLogger(__name__)
_S = ServiceStatus

AWAY: Final = "ended while the supervisor was away"
"""The `exit_reason` of a process whose end nobody saw."""

_NOT_CHECKED: Final = Verdict(Health.STARTING, "Not checked yet", {"probe": "process"})

IDENTIFY_AFTER_S: Final = 0.05
"""Reading the start time of a process waits for its exec to end; a start does not."""


class OperationError(DumbError):
    """A start, stop or restart did not reach its goal."""

    code = "operation"


class Lifecycle:
    """The process of one service and its state. `Unit` makes sure that calls do not overlap."""

    def __init__(self, service: ServiceBlock, state: ServiceState, effects: Effects) -> None:
        self.book = StateBook(
            service, state, effects.journal, effects.outbox, effects.others.changed
        )
        self.report: Report = nobody
        self.killed = False
        """Whether the last stop needed SIGKILL."""
        self.launched_at = 0.0
        """When the process was started or adopted, in seconds since boot."""
        self._effects = effects
        self._launcher = Launcher(self.book, effects)
        self._planner = Planner(effects.surroundings)
        self._process: Process | None = None
        self._capture: Capture | None = None
        self._late: asyncio.Task[None] | None = None
        self._winding: asyncio.Task[None] | None = None

    @property
    def state(self) -> ServiceState:
        """What is true now."""
        return self.book.state

    @property
    def service(self) -> ServiceBlock:
        """The block as it is configured now."""
        return self.book.service

    @property
    def alive(self) -> bool:
        """Whether the process that we know exists."""
        return self._process is not None

    @property
    def health_plan(self) -> HealthPlan:
        """How the process that runs now is checked."""
        return self._planner.plan(self.service)

    @property
    def overdue(self) -> bool:
        """Whether it lives and was not ready in time."""
        return self._late is not None and self.state.status is _S.STARTING

    def configure(self, service: ServiceBlock) -> None:
        """Take over a changed block; a running process keeps what it was started with."""
        state = self.state
        changed = (service.enabled, service.config_key, service.instance) != (
            state.enabled,
            state.config_key,
            state.instance,
        )
        self.book.service = service
        if changed:
            self.book.note(
                enabled=service.enabled, config_key=service.config_key, instance=service.instance
            )

    # -- operations ------------------------------------------------------------------------

    async def start(self, *, pull: bool = True) -> str:
        """Start unless it runs; return when it is ready. `pull`: start what it needs, too.

        Raises:
            LaunchError, OperationError, JournalError: it did not become ready.
        """
        if self._process is not None:
            if self.state.status is _S.RUNNING:
                self._want_up()
                return "already running"
            if self.state.status is _S.STOPPING:
                raise OperationError(f"'{self.state.process_name}' is still stopping.")
            self._want_up()
            return await self._until_ready(self._process, self._launcher.spec()) or "started"
        return await self._launch(pull=pull) or "started"

    async def stop(self, *, wanted: Desired = Desired.DOWN) -> str:
        """Stop unless it is stopped; return when it is verified gone. Raises `StopError`."""
        self._cancel_late()
        self.killed = False
        process = self._process
        if process is None:
            return await self._stop_dead(wanted)
        self.book.change(_S.STOPPING, desired=wanted, restart=self._calm(wanted))
        with contextlib.suppress(JournalError):  # a full disk keeps nobody from stopping
            await self._effects.journal.sync()
        await self._end(process)
        return "stopped"

    async def restart(self, target: int, *, pull: bool = True) -> str:
        """Reach generation `target`; a restart that was done before a crash is not done again."""
        self._cancel_late()
        if self.state.generation >= target and self._process is not None:
            if self.state.status is not _S.RUNNING:
                await self._until_ready(self._process, self._launcher.spec())
            return "restarted"
        # First: on a full disk it could not be started again, so it must not be stopped.
        await self._effects.journal.sync()
        if self._process is not None:
            self.book.change(_S.STOPPING, desired=Desired.UP)
            self.report("stopping")
            await self._end(self._process)
        return await self._launch(pull=pull) or "restarted"

    def kill(self) -> None:
        """SIGKILL now; the stop that is under way goes on from there."""
        if self._process is not None:
            self.killed = True
            self._process.signal_group(signal.SIGKILL)

    async def _stop_dead(self, wanted: Desired) -> str:
        await self._settle()
        calm = self._calm(wanted)
        state = self.state
        if (state.status, state.desired, state.restart) != (_S.STOPPED, wanted, calm):
            reason = state.exit_reason
            self.book.change(_S.STOPPED, desired=wanted, exit_reason=reason, restart=calm)
        return "was not running"

    async def _end(self, process: Process) -> None:
        killed = await stop(process, stop_policy(self.service), self.report)
        self.killed = self.killed or killed
        self._close_capture()
        self.book.identity = None
        self._process = None
        ended = process.exit or Exit(None, None)
        self.book.change(
            _S.STOPPED,
            pid=None,
            stopped_at=time.time(),
            exit_code=ended.code,
            exit_signal=ended.signal,
            exit_reason="stopped on request",
        )

    def _want_up(self) -> None:
        if self.state.desired is not Desired.UP:
            self.book.note(desired=Desired.UP)

    def _calm(self, wanted: Desired = Desired.UP) -> RestartStats:
        """No restart is pending; and none will be while a person wants it down."""
        return replace(
            self.state.restart,
            pending=False,
            next_restart_time=None,
            disabled=wanted is Desired.DOWN,
            unhealthy_count=0,
            awaiting_recovery=False,
        )

    # -- launching -------------------------------------------------------------------------

    async def _launch(self, *, pull: bool) -> str:
        """What `_until_ready` says."""
        try:
            await self._settle()
            await self._effects.others.admit(self.service, self._waiting, pull=pull)
            await self._launcher.prepare(self._waiting, self.report)
            # That may have taken minutes: what it needs may have gone.
            await self._effects.others.admit(self.service, self._waiting, pull=pull)
            launched = await self._launcher.spawn(secrets.token_hex(8))
        except HeldError as error:
            self._waiting(error.what)
            name = self.state.process_name
            raise OperationError(
                f"'{name}' waits for {error.what}. It starts as soon as that is mended."
            ) from error
        except (LaunchError, OSError) as error:
            reason = str(error)
            self.book.change(
                _S.FAILED,
                desired=Desired.UP,
                pid=None,
                exit_code=None,
                exit_signal=None,
                exit_reason=reason,
                restart=self._failed_for(reason),
            )
            raise LaunchError(reason) from error
        self._take_in(launched)
        self.report(f"spawned pid {launched.process.identity.pid}")
        return await self._until_ready(launched.process, launched.spec)

    def _waiting(self, what: str) -> None:
        """It cannot be spawned yet."""
        if self.state.status is _S.WAITING and self.state.waiting_for == what:
            return
        self.book.change(_S.WAITING, desired=Desired.UP, waiting_for=what, restart=self._calm())
        self.report(f"waiting for {what}")

    def _take_in(self, launched: Launched) -> None:
        """Without a wait: a process whose pid is not journalled yet has no time for one."""
        process = launched.process
        self._capture, self._process = launched.capture, process
        self._planner.began(self.service, launched.spec)
        self.book.identity = process.identity
        self.launched_at = since_boot()
        ports = ", ".join(map(str, launched.spec.ports))
        self.book.change(
            _S.STARTING,
            desired=Desired.UP,
            enabled=True,  # contract rest.md 3.3: a start sets it, in memory only
            generation=self.state.generation + 1,
            pid=process.identity.pid,
            started_at=time.time(),
            ready_at=None,
            stopped_at=None,
            exit_code=None,
            exit_signal=None,
            exit_reason="",
            waiting_for=f"port {ports}" if ports else "",
            in_exit_window=launched.spec.start_window_s > 0,
            restart=self._calm(),
        )
        process.watch(lambda ended: self._ended(process, ended))
        launched.capture.follow()
        asyncio.get_running_loop().call_later(IDENTIFY_AFTER_S, self._identify, process)

    def _identify(self, process: Process) -> None:
        """Journal the start time too: a program may overwrite the environment with the token."""
        ticks = start_ticks(process.identity.pid)
        if self._process is process and ticks is not None:
            self.book.identity = process.identity = replace(process.identity, start_ticks=ticks)
            self.book.record()

    # -- readiness -------------------------------------------------------------------------

    async def _until_ready(self, process: Process, spec: LaunchSpec) -> str:
        """Return "" when the service is ready, "completed" when it did what it is for.

        Raises:
            OperationError: it ended otherwise, or took too long.
        """
        start = self.health_plan.start
        if spec.start_window_s <= 0 and not spec.ports and start is None:
            if process.ended.is_set():
                return self._verdict()
            self._ready()
            return ""
        self._cancel_late()
        readiness = Readiness(spec, start, lambda: self._settled_in(process))
        ready = asyncio.get_running_loop().create_task(readiness.reached())
        ended = asyncio.get_running_loop().create_task(process.ended.wait())
        try:
            await asyncio.wait(
                {ready, ended},
                timeout=spec.start_window_s + spec.start_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if process.ended.is_set():
                return self._verdict()
            if ready.done():
                self._ready(readiness.said)
                return ""
        finally:
            ready.cancel()
            ended.cancel()
        self._late = asyncio.get_running_loop().create_task(self._ready_late(process, readiness))
        missing = f"not ready within {spec.start_timeout_s:g} s: {readiness.missing}"
        self.book.note(
            health="unhealthy",
            health_reason=readiness.missing,
            health_details=readiness.details,
            restart=self._failed_for(missing),
        )
        raise OperationError(
            f"'{self.state.process_name}' was {missing}. The process (pid "
            f"{process.identity.pid}) keeps running and counts as started once it is ready."
        )

    def _settled_in(self, process: Process) -> None:
        """The process has lived through its exit window."""
        if self._process is process and self.state.in_exit_window:
            self.book.note(in_exit_window=False)

    def _failed_for(self, reason: str | None) -> RestartStats:
        """`last_failure_reason` says why the last start failed until one succeeds."""
        return replace(self.state.restart, last_failure_reason=reason)

    def _verdict(self) -> str:
        """Of a start whose process has ended."""
        if self.state.completed:
            return "completed"
        raise OperationError(self.state.exit_reason)

    def _ready(self, said: Verdict | None = None) -> None:
        """`said`: what its own probe answered, if it has one."""
        if self.state.status is _S.STARTING:
            health = health_fields(said) if said is not None else {}
            if not self.health_plan.proven:
                health = health_fields(_NOT_CHECKED)
            self.book.change(
                _S.RUNNING,
                ready_at=time.time(),
                restart=self._failed_for(None),
                **health,
            )
            self.report("ready")

    async def _ready_late(self, process: Process, readiness: Readiness) -> None:
        await readiness.reached()
        self._late = None
        if self._process is process:
            self._ready(readiness.said)

    def _cancel_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    # -- the end ---------------------------------------------------------------------------

    def _ended(self, process: Process, ended: Exit) -> None:
        """The kernel says that the process ended."""
        if process is not self._process or self.state.status is _S.STOPPING:
            if process is self._process:
                self._ended_while_stopping()
            return
        self._cancel_late()
        self._process = None
        completed = ended.code in expected_exits(self.service.block)
        failed = self.state.status is _S.STARTING and not completed
        why = describe_exit(ended.code, ended.signal_name)
        if completed:
            why = f"completed ({why})"
        elif failed:
            why = self._failure(why)
        now = time.time()
        last = self.state.restart.last_failure_reason
        last = why if failed else None if completed else last
        self.book.change(
            _S.FAILED if failed else _S.EXITED,
            completed=completed,
            pid=None,
            stopped_at=now,
            exit_code=ended.code,
            exit_signal=ended.signal,
            exit_reason=why,
            restart=replace(
                self.state.restart,
                last_exit_time=now,
                last_exit_reason=why,
                last_failure_reason=last,
            ),
        )
        level = logging.INFO if completed else logging.WARNING
        _log.log(level, "%s", why if failed else f"{self.state.process_name} ended: {why}")
        self._effects.outbox.audit("exit", self.state.process_name, why)
        self._winding = asyncio.get_running_loop().create_task(self._wind_up())

    def _failure(self, why: str) -> str:
        """The sentence about a process that ended before it was ready."""
        line = ""
        if self._capture is not None:
            self._capture.drain()
            line = best_line(*self._capture.last_lines())
        tail = f": {line}" if line else "."
        return f"{self.state.process_name} failed to stay running ({why}){tail}"

    def _ended_while_stopping(self) -> None:
        """A stop is under way and waits for this; one that failed before is made good now."""
        if self.state.desired is Desired.DOWN and self.report is nobody:
            self._process = None
            self.book.change(_S.STOPPED, pid=None, stopped_at=time.time())

    async def _wind_up(self) -> None:
        """Take the last output. What the leader left running goes on writing until it is ended."""
        identity, capture = self.book.identity, self._capture
        if identity is None:
            return
        left = await asyncio.to_thread(members, identity)
        if not left and self._capture is capture:
            self._close_capture()
            self.book.identity = None
            self.book.record()

    async def _settle(self) -> None:
        """Before a new start, or for a stop: nothing of the last generation is left."""
        if self._winding is not None:
            await asyncio.wait({self._winding})
            self._winding = None
        if self.book.identity is not None:
            policy = stop_policy(self.service)
            left = await end_survivors(self.book.identity, policy.wait_s, self.report)
            if left:
                pids = ", ".join(map(str, left))
                raise OperationError(f"Processes of the last run survive SIGKILL: {pids}.")
            self.book.identity = None
        self._close_capture()

    def _close_capture(self) -> None:
        if self._capture is not None:
            self._capture.finish()
            self._capture = None

    # -- recovery --------------------------------------------------------------------------

    def adopt(self, identity: Identity, pidfd: int, generation: int) -> None:
        """Take over a process that an earlier supervisor started."""
        self.book.identity = identity
        self._launcher.drain_leftovers(generation)
        capture = self._launcher.open_capture(generation)
        self._capture = capture
        self._process = process = Process(identity, pidfd, None)
        self._planner.began(self.service)
        fields: dict[str, Any] = {
            "pid": identity.pid,
            "generation": generation,
            "in_exit_window": False,
        }
        status = self.state.status
        if status not in ALIVE:  # a spawn whose pid nobody had time to write down
            status = _S.STARTING
            fields |= {"started_at": time.time(), "desired": Desired.UP, "enabled": True}
        self.launched_at = identity.started_at or since_boot()
        self.book.change(status, **fields)
        process.watch(lambda ended: self._ended(process, ended))
        capture.follow()

    def lost(self, identity: Identity | None) -> None:
        """The process of the journal is gone: take what it left and say so."""
        self.book.identity = identity
        self._launcher.drain_leftovers()
        if self.state.status is _S.WAITING:
            self.book.change(_S.STOPPED)  # nobody waits any more
        if self.state.status not in ALIVE:
            return
        why = AWAY
        status = _S.STOPPED if self.state.status is _S.STOPPING else _S.EXITED
        now = time.time()
        self.book.change(
            status,
            pid=None,
            stopped_at=now,
            exit_code=None,
            exit_signal=None,
            exit_reason=why,
            restart=replace(self.state.restart, last_exit_time=now, last_exit_reason=why),
        )
        _log.warning("%s %s", self.state.process_name, why)
        self._effects.outbox.audit("exit", self.state.process_name, why)

    def detach(self) -> None:
        """Leave the process and its output to a successor."""
        self._cancel_late()
        if self._process is not None:
            self._process.release()
        if self._capture is not None:
            self._capture.drain()
            self._capture.detach()


def nobody(_what: str) -> None:
    """Nobody follows."""
