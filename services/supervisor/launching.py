"""From a block to a running process whose output is captured: journalled before it is begun."""

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from services.supervisor.capture import Capture
from services.supervisor.effects import Effects, Tell
from services.supervisor.env_copy import copy_env
from services.supervisor.fleet.waits import wait_for_all
from services.supervisor.fleet.wanted import waits_of
from services.supervisor.logs import encoded
from services.supervisor.probes.port import answers
from services.supervisor.process import Process
from services.supervisor.spare import Spare
from services.supervisor.spawn import LaunchError, LaunchSpec, build_spec, start_process
from services.supervisor.statebook import StateBook
from services.supervisor.stopper import Report
from shared.config.placeholders import fill
from shared.config.services import walk_services
from shared.config.timing import may_wait, wait_limit_s
from shared.logformat import LineFormatter


@dataclass(frozen=True, slots=True)
class Launched:
    """A process that was just spawned. Nobody watches it yet."""

    process: Process
    capture: Capture
    spec: LaunchSpec


class Launcher:
    """Spawns the process of one service."""

    def __init__(self, book: StateBook, effects: Effects) -> None:
        self._book = book
        self._effects = effects
        self._spare = Spare()

    def spec(self) -> LaunchSpec:
        """The block, resolved. Raises `LaunchError`."""
        return build_spec(self._book.service, self._effects.surroundings())

    async def prepare(self, tell: Tell, report: Report) -> None:
        """Wait for what the block wants to be there first, then copy what it wants copied.

        Raises:
            LaunchError: it took too long, or cannot be done.
        """
        service, around = self._book.service, self._effects.surroundings()
        names = around.placeholders()
        if may_wait(service):
            try:
                waits = waits_of(service, walk_services(around.top), names)
            except ValueError as error:
                raise LaunchError(f"'{service.process_name}' cannot wait: {error}.") from error
            await wait_for_all(waits, tell, wait_limit_s(service))
        if service.block.get("env_copy"):
            report(
                await copy_env(fill(service.block["env_copy"], service.block, names), self.spec())
            )

    async def spawn(self, instance: str) -> Launched:
        """Journal the spawn, then do it; take it back when it will not be.

        Who awaits this must journal the pid before it waits for anything else.

        Raises:
            LaunchError, JournalError, OSError: nothing was started.
        """
        generation = self._book.state.generation + 1
        self._book.record(spawning=instance)
        synced = asyncio.get_running_loop().create_task(self._effects.journal.sync())
        capture: Capture | None = None
        outputs: tuple[int, ...] = ()
        try:
            await asyncio.sleep(0)  # the sync begins: everything below happens meanwhile
            spec = self.spec()
            await self._check_ports(spec)
            self._spare.take(self._home(), generation)
            capture = self.open_capture(generation)
            outputs = out, err = capture.writers(spec.uid, spec.gid)
            await synced
            spawned = start_process(spec, instance, out, err)
        except BaseException:
            # Cancelled by a stop, or refused: a successor must not go on with it.
            synced.cancel()
            self._book.record()
            if capture is not None:
                capture.finish()
            raise
        finally:
            for descriptor in outputs:
                os.close(descriptor)
        self._spare.prepare(self._home())
        process = Process(spawned.identity, spawned.pidfd, spawned.popen)
        return Launched(process, capture, spec)

    async def _check_ports(self, spec: LaunchSpec) -> None:
        """A port that answers before the start is another program's: the start would look fine."""
        for port in spec.ports:
            if await answers(spec.host, port):
                raise LaunchError(
                    f"Port {port} of '{self._book.state.process_name}' is taken by another "
                    f"program: stop that one or change the port."
                )

    def open_capture(self, generation: int) -> Capture:
        """The output of a generation, and the log that it goes to."""
        effects, service = self._effects, self._book.service
        name = service.process_name
        feed = effects.shelf.captured(service)
        if feed.problem or effects.shelf.tailed_file(service) is None:  # else the tail says it
            self._book.say_log_problem(feed.problem)
        formatter = LineFormatter(name, instance=service.instance)
        directory = self._home() / str(generation)
        capture: Capture | None = None

        def appended() -> None:
            effects.shelf.appended(feed)
            if capture is not None:
                effects.throttle(capture, feed)

        capture = Capture(directory, generation, feed.store, formatter, appended)
        return capture

    def _home(self) -> Path:
        """Where the directories of the service's generations are."""
        return self._effects.run_dir / "services" / encoded(self._book.service.process_name)

    def drain_leftovers(self, current: int = -1) -> None:
        """Bring output that a dead supervisor had spooled into the log."""
        with contextlib.suppress(FileNotFoundError):
            names = [path.name for path in self._home().iterdir() if path.name.isdecimal()]
            for generation in sorted(map(int, names)):
                if generation != current:
                    self.open_capture(generation).finish()
