"""The running programs: output, deaths, restarts. One thread, one `select`."""

import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from services.launcher.backoff import next_delay
from services.launcher.child import Child
from services.launcher.console import Console
from services.launcher.programs import Program
from services.launcher.signals import Signals
from shared.exits import POINTLESS, TELLING, Exit

LONGEST_TURN_S: Final = 60.0


@dataclass(slots=True)
class Member:
    """A program and its present run, if any."""

    program: Program
    child: Child | None = None
    started: float = 0.0
    delay: float = 0.0
    due: float | None = None
    """Monotonic time of the next start; None while it runs or shall not start."""


class Crew:
    """Starts programs, shows what they print, starts again what dies, reaps every orphan.

    Nothing happens but in `turn`, which the caller repeats.
    """

    def __init__(self, console: Console, signals: Signals) -> None:
        self.members: list[Member] = []
        self.fatal = ""
        """Why everything must stop: the last message of a program that ended with a POINTLESS."""
        self.fatal_code = 0
        self.end_code = 0
        """What a program that was told to end said by its exit code: the worst of it."""
        self.restarting = True
        self.on_death: Callable[[Program], None] = _unnoticed
        """Called at once when a program has ended, before it is started again."""
        self._console = console
        self._signals = signals
        self._environ: Mapping[str, str] = {}
        # poll and not epoll, which refuses regular files: stdout may be one.
        self._selector = selectors.PollSelector()
        self._selector.register(signals.descriptor, selectors.EVENT_READ)

    def start(self, program: Program, environ: Mapping[str, str]) -> Member:
        """Start a program now, and again whenever it dies.

        Raises:
            OSError: it cannot be started.
        """
        self._environ = environ
        member = Member(program)
        self._launch(member)
        self.members.append(member)
        return member

    def turn(self, timeout: float = LONGEST_TURN_S) -> None:
        """Wait up to `timeout` seconds for something to happen, and do what it asks for."""
        for key, _events in self._select(timeout):
            if key.fd == self._signals.descriptor:
                self._signals.drain()
            elif key.fd == self._console.descriptor:
                self._console.write_some()
            else:
                self._show(key.data)
        self._reap()
        for member in self.members:
            if self.restarting and member.due is not None and time.monotonic() >= member.due:
                self._relaunch(member)

    def _select(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        dues = [m.due for m in self.members if self.restarting and m.due is not None]
        wait = min([timeout, *(due - time.monotonic() for due in dues)])
        watched = self._console.pending
        if watched:
            self._selector.register(self._console.descriptor, selectors.EVENT_WRITE)
        try:
            return self._selector.select(max(0.0, wait))
        finally:
            if watched:
                self._selector.unregister(self._console.descriptor)

    def _show(self, member: Member) -> None:
        child = member.child
        if child is None:
            return
        lines = child.lines()
        if lines is None:
            self._selector.unregister(child.output)
            return
        for line in lines:
            self._console.line(member.program.name, line)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for member in self.members:
                if member.child is not None and member.child.pid == pid:
                    self._died(member, member.child, os.waitstatus_to_exitcode(status))

    def _died(self, member: Member, child: Child, exit_code: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(child.output)
        for line in child.ended(exit_code):
            self._console.line(member.program.name, line)
        member.child = None
        self.on_death(member.program)
        if not self.restarting:
            if exit_code in TELLING:
                self.end_code = max(self.end_code, exit_code)
            return
        name = member.program.name
        if exit_code == Exit.HANDED_OVER:
            member.delay, member.due = 0.0, time.monotonic()
            self._console.say(f"{name} has handed over; starting the next one.")
            return
        if exit_code in POINTLESS:
            self.fatal_code = exit_code
            last = child.last_line.decode("utf-8", "replace").strip()
            self.fatal = f"{name}: {last or 'it gave no reason'}"
            return
        self._schedule(member, f"{name} ended ({_in_words(exit_code)})")

    def _schedule(self, member: Member, what: str) -> None:
        now = time.monotonic()
        member.delay = next_delay(member.delay, now - member.started)
        member.due = now + member.delay
        self._console.say(f"{what}; starting it again in {member.delay:.1f} s.")

    def _relaunch(self, member: Member) -> None:
        try:
            self._launch(member)
        except OSError as error:
            member.started = time.monotonic()
            self._schedule(member, f"{member.program.name} cannot be started ({error})")

    def _launch(self, member: Member) -> None:
        member.child = Child(member.program, {**self._environ, **member.program.own})
        member.started = time.monotonic()
        member.due = None
        self._selector.register(member.child.output, selectors.EVENT_READ, member)


def _unnoticed(_program: Program) -> None:
    """Nobody wants to know."""


def _in_words(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"killed by signal {-exit_code}"
