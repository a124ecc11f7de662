"""Start, stop, restart of one service, and what happens when it ends by itself."""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from services.supervisor.capture import Capture
from services.supervisor.failure import best_line, describe_exit
from services.supervisor.identity import Identity, members, start_ticks
from services.supervisor.journal import Journal, JournalError
from services.supervisor.logs import LogFeed, LogShelf, encoded
from services.supervisor.machine import READINESS, change, health_of
from services.supervisor.outbox import Outbox
from services.supervisor.probes.port import answers, wait_until_answers
from services.supervisor.process import Exit, Process
from services.supervisor.spawn import (
    LaunchError,
    LaunchSpec,
    Surroundings,
    build_spec,
    configured_ports,
    start_process,
    stop_policy,
)
from services.supervisor.stopper import end_survivors, stop
from shared.config.services import ServiceBlock
from shared.errors import DumbError
from shared.logformat import LineFormatter
from shared.models.service import ServiceState
from shared.states import ALIVE, Desired, ServiceStatus

_log = logging.getLogger(__name__)
_S = ServiceStatus

IDENTIFY_AFTER_S: Final = 0.05
"""Reading the start time of a process waits for its exec to end; a start does not."""


class OperationError(DumbError):
    """A start, stop or restart did not reach its goal."""

    code = "operation"


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything outside a service that its life touches."""

    journal: Journal
    outbox: Outbox
    shelf: LogShelf
    run_dir: Path
    surroundings: Callable[[], Surroundings]
    throttle: Callable[[Capture, LogFeed], None]
    """Called after output was appended; pauses a capture that is too far ahead of Redis."""


class Lifecycle:
    """The process of one service and its state. `Unit` makes sure that calls do not overlap."""

    def __init__(self, service: ServiceBlock, state: ServiceState, effects: Effects) -> None:
        self.service = service
        self.state = state
        self.report: Callable[[str], None] = nobody
        self._effects = effects
        self._process: Process | None = None
        self._identity: Identity | None = None
        """The last process, while something that it started may still be there."""
        self._capture: Capture | None = None
        self._late: asyncio.Task[None] | None = None
        self._winding: asyncio.Task[None] | None = None

    # -- state -----------------------------------------------------------------------------

    def _change(self, status: ServiceStatus, **fields: Any) -> None:
        """The one place where a state changes: journal, then Redis."""
        ports = configured_ports(self.service.block)
        restart = replace(
            self.state.restart,
            readiness_state=READINESS.get(status, "pending"),
            ready_at=fields.get("ready_at", self.state.ready_at),
        )
        merged = {
            "restart": restart,
            **health_of(status, ports),
            "health_checked_at": time.time(),
            **fields,
        }
        self.state = change(self.state, status, **merged)
        self._record()
        self._effects.outbox.state(self.state)

    def _record(self, spawning: str = "") -> None:
        process: dict[str, Any] | None = None
        if spawning:
            process = {"instance": spawning, "generation": self.state.generation + 1, "pid": None}
        elif self._identity is not None:
            process = asdict(self._identity)
        self._effects.journal.service(self.state.process_name, self.state.to_tree(), process)

    def configure(self, service: ServiceBlock) -> None:
        """Take over a changed block; a running process keeps what it was started with."""
        changed = (service.enabled, service.config_key, service.instance) != (
            self.state.enabled,
            self.state.config_key,
            self.state.instance,
        )
        self.service = service
        if changed:
            self._change(
                self.state.status,
                enabled=service.enabled,
                config_key=service.config_key,
                instance=service.instance,
            )

    @property
    def alive(self) -> bool:
        """Whether the process that we know exists."""
        return self._process is not None

    # -- operations ------------------------------------------------------------------------

    async def start(self) -> str:
        """Start unless it runs; return when it is ready. Raises `LaunchError`, `OperationError`."""
        if self._process is not None:
            if self.state.status is _S.RUNNING:
                self._want(Desired.UP)
                return "already running"
            if self.state.status is _S.STOPPING:
                raise OperationError(f"'{self.state.process_name}' is still stopping.")
            self._want(Desired.UP)
            await self._until_ready(self._process, self._spec())
            return "started"
        await self._launch()
        return "started"

    async def stop(self, *, wanted: Desired = Desired.DOWN) -> str:
        """Stop unless it is stopped; return when it is verified gone. Raises `StopError`."""
        self._cancel_late()
        process = self._process
        if process is None:
            return await self._stop_dead(wanted)
        self._change(_S.STOPPING, desired=wanted)
        with contextlib.suppress(JournalError):  # a full disk keeps nobody from stopping
            await self._effects.journal.sync()
        await self._end(process)
        return "stopped"

    async def restart(self, target: int) -> str:
        """Reach generation `target`; a restart that was done before a crash is not done again."""
        self._cancel_late()
        if self.state.generation >= target and self._process is not None:
            if self.state.status is not _S.RUNNING:
                await self._until_ready(self._process, self._spec())
            return "restarted"
        # First: on a full disk it could not be started again, so it must not be stopped.
        await self._effects.journal.sync()
        if self._process is not None:
            self._change(_S.STOPPING, desired=Desired.UP)
            self.report("stopping")
            await self._end(self._process)
        await self._launch()
        return "restarted"

    async def _stop_dead(self, wanted: Desired) -> str:
        await self._settle()
        if self.state.status is not _S.STOPPED or self.state.desired is not wanted:
            self._change(_S.STOPPED, desired=wanted, exit_reason=self.state.exit_reason)
        return "was not running"

    async def _end(self, process: Process) -> None:
        await stop(process, stop_policy(self.service), self.report)
        self._close_capture()
        self._identity = None
        self._process = None
        ended = process.exit or Exit(None, None)
        self._change(
            _S.STOPPED,
            pid=None,
            stopped_at=time.time(),
            exit_code=ended.code,
            exit_signal=ended.signal,
            exit_reason="stopped on request",
        )

    def _want(self, desired: Desired) -> None:
        if self.state.desired is not desired:
            self._change(self.state.status, desired=desired)

    # -- launching -------------------------------------------------------------------------

    def _spec(self) -> LaunchSpec:
        return build_spec(self.service, self._effects.surroundings())

    async def _launch(self) -> None:
        try:
            await self._settle()
            process, spec = await self._spawn(secrets.token_hex(8))
        except (LaunchError, OSError) as error:
            reason = str(error)
            self._change(
                _S.FAILED,
                desired=Desired.UP,
                pid=None,
                exit_code=None,
                exit_signal=None,
                exit_reason=reason,
            )
            raise LaunchError(reason) from error
        self.report(f"spawned pid {process.identity.pid}")
        await self._until_ready(process, spec)

    async def _check_ports(self, spec: LaunchSpec) -> None:
        """A port that answers before the start is another program's: the start would look fine."""
        for port in spec.ports:
            if await answers(spec.host, port):
                raise LaunchError(
                    f"Port {port} of '{self.state.process_name}' is taken by another program: "
                    f"stop that one or change the port."
                )

    async def _spawn(self, instance: str) -> tuple[Process, LaunchSpec]:
        """Journal the spawn, then do it; take it back when it will not be."""
        generation = self.state.generation + 1
        self._record(spawning=instance)
        synced = asyncio.get_running_loop().create_task(self._effects.journal.sync())
        capture: Capture | None = None
        outputs: tuple[int, ...] = ()
        try:
            await asyncio.sleep(0)  # the sync begins: everything below happens meanwhile
            spec = self._spec()
            await self._check_ports(spec)
            capture = self._open_capture(generation)
            outputs = out, err = capture.writers(spec.uid, spec.gid)
            await synced
            spawned = start_process(spec, instance, out, err)
        except BaseException:
            # Cancelled by a stop, or refused: a successor must not go on with it.
            synced.cancel()
            self._record()
            if capture is not None:
                capture.finish()
            raise
        finally:
            _close(*outputs)
        # No await from here on: a process whose pid is not journalled yet may not wait.
        self._capture = capture
        self._process = process = Process(spawned.identity, spawned.pidfd, spawned.popen)
        self._identity = spawned.identity
        self._change(
            _S.STARTING,
            desired=Desired.UP,
            enabled=True,  # contract rest.md 3.3: a start sets it, in memory only
            generation=generation,
            pid=spawned.identity.pid,
            started_at=time.time(),
            ready_at=None,
            stopped_at=None,
            exit_code=None,
            exit_signal=None,
            exit_reason="",
            waiting_for="",
        )
        process.watch(lambda ended: self._ended(process, ended))
        capture.follow()
        asyncio.get_running_loop().call_later(IDENTIFY_AFTER_S, self._identify, process)
        return process, spec

    def _identify(self, process: Process) -> None:
        """Journal the start time too: a program may overwrite the environment with the token."""
        ticks = start_ticks(process.identity.pid)
        if self._process is process and ticks is not None:
            self._identity = process.identity = replace(process.identity, start_ticks=ticks)
            self._record()

    def _open_capture(self, generation: int) -> Capture:
        effects = self._effects
        feed = effects.shelf.captured(self.service)
        instance = self.service.instance
        formatter = LineFormatter(self.state.process_name, instance=instance)
        directory = effects.run_dir / "services" / encoded(self.state.process_name)
        capture: Capture | None = None

        def appended() -> None:
            effects.shelf.appended(feed)
            if capture is not None:
                effects.throttle(capture, feed)

        capture = Capture(directory / str(generation), generation, feed.store, formatter, appended)
        return capture

    # -- readiness -------------------------------------------------------------------------

    async def _until_ready(self, process: Process, spec: LaunchSpec) -> None:
        """Return when the service is ready, raise when it ended or took too long."""
        if spec.start_window_s <= 0 and not spec.ports:
            if process.ended.is_set():
                raise OperationError(self.state.exit_reason)
            self._ready()
            return
        self._cancel_late()
        ready = asyncio.get_running_loop().create_task(_ready(spec))
        ended = asyncio.get_running_loop().create_task(process.ended.wait())
        try:
            await asyncio.wait(
                {ready, ended},
                timeout=spec.start_window_s + spec.start_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if process.ended.is_set():
                raise OperationError(self.state.exit_reason)
            if ready.done():
                self._ready()
                return
        finally:
            ready.cancel()
            ended.cancel()
        self._late = asyncio.get_running_loop().create_task(self._ready_late(process, spec))
        ports = ", ".join(map(str, spec.ports))
        raise OperationError(
            f"Port {ports} of '{self.state.process_name}' did not answer within "
            f"{spec.start_timeout_s:g} s. The process (pid {process.identity.pid}) keeps running "
            f"and counts as started once it answers."
        )

    def _ready(self) -> None:
        if self.state.status is _S.STARTING:
            self._change(_S.RUNNING, ready_at=time.time())
            self.report("ready")

    async def _ready_late(self, process: Process, spec: LaunchSpec) -> None:
        await _ready(spec)
        if self._process is process:
            self._ready()

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
        why = describe_exit(ended.code, ended.signal_name)
        starting = self.state.status is _S.STARTING
        if starting and self._capture is not None:
            self._capture.drain()
            line = best_line(*self._capture.last_lines())
            why = f"{self.state.process_name} failed to stay running ({why})" + (
                f": {line}" if line else "."
            )
        now = time.time()
        self._change(
            _S.FAILED if starting else _S.EXITED,
            pid=None,
            stopped_at=now,
            exit_code=ended.code,
            exit_signal=ended.signal,
            exit_reason=why,
            restart=replace(self.state.restart, last_exit_time=now, last_exit_reason=why),
        )
        _log.warning("%s", why if starting else f"{self.state.process_name} ended: {why}")
        self._effects.outbox.audit("exit", self.state.process_name, why)
        self._winding = asyncio.get_running_loop().create_task(self._wind_up())

    def _ended_while_stopping(self) -> None:
        """A stop is under way and waits for this; one that failed before is made good now."""
        if self.state.desired is Desired.DOWN and self.report is nobody:
            self._process = None
            self._change(_S.STOPPED, pid=None, stopped_at=time.time())

    async def _wind_up(self) -> None:
        """Take the last output. What the leader left running goes on writing until it is ended."""
        identity, capture = self._identity, self._capture
        if identity is None:
            return
        left = await asyncio.to_thread(members, identity)
        if not left and self._capture is capture:
            self._close_capture()
            self._identity = None
            self._record()

    async def _settle(self) -> None:
        """Before a new start, or for a stop: nothing of the last generation is left."""
        if self._winding is not None:
            await asyncio.wait({self._winding})
            self._winding = None
        if self._identity is not None:
            policy = stop_policy(self.service)
            left = await end_survivors(self._identity, policy.wait_s, self.report)
            if left:
                pids = ", ".join(map(str, left))
                raise OperationError(f"Processes of the last run survive SIGKILL: {pids}.")
            self._identity = None
        self._close_capture()

    def _close_capture(self) -> None:
        if self._capture is not None:
            self._capture.finish()
            self._capture = None

    # -- recovery --------------------------------------------------------------------------

    def adopt(self, identity: Identity, pidfd: int, generation: int) -> None:
        """Take over a process that an earlier supervisor started."""
        self._identity = identity
        self._drain_leftovers(generation)
        capture = self._open_capture(generation)
        self._capture = capture
        self._process = process = Process(identity, pidfd, None)
        fields: dict[str, Any] = {"pid": identity.pid, "generation": generation}
        status = self.state.status
        if status not in ALIVE:  # a spawn whose pid nobody had time to write down
            status = _S.STARTING
            fields |= {"started_at": time.time(), "desired": Desired.UP, "enabled": True}
        self._change(status, **fields)
        process.watch(lambda ended: self._ended(process, ended))
        capture.follow()

    def lost(self, identity: Identity | None) -> None:
        """The process of the journal is gone: take what it left and say so."""
        self._identity = identity
        self._drain_leftovers()
        if self.state.status not in ALIVE:
            return
        why = "ended while the supervisor was away"
        status = _S.STOPPED if self.state.status is _S.STOPPING else _S.EXITED
        self._change(
            status, pid=None, stopped_at=time.time(), exit_code=None, exit_signal=None,
            exit_reason=why,
        )  # fmt: skip
        _log.warning("%s %s", self.state.process_name, why)
        self._effects.outbox.audit("exit", self.state.process_name, why)

    def _drain_leftovers(self, current: int = -1) -> None:
        """Bring output that a dead supervisor had spooled into the log."""
        directory = self._effects.run_dir / "services" / encoded(self.state.process_name)
        with contextlib.suppress(FileNotFoundError):
            names = [path.name for path in directory.iterdir() if path.name.isdecimal()]
            for generation in sorted(map(int, names)):
                if generation != current:
                    self._open_capture(generation).finish()

    def detach(self) -> None:
        """Leave the process and its output to a successor."""
        self._cancel_late()
        if self._process is not None:
            self._process.release()
        if self._capture is not None:
            self._capture.drain()
            self._capture.detach()


async def _ready(spec: LaunchSpec) -> None:
    await asyncio.sleep(spec.start_window_s)
    for port in spec.ports:
        await wait_until_answers(spec.host, port)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def nobody(_what: str) -> None:
    """Nobody follows."""
