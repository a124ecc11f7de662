"""Stopping in order: the services first, Redis last, and nothing left behind."""

import os
import signal
import time
from contextlib import suppress
from typing import Final

from services.launcher.console import Console
from services.launcher.crew import Crew, Member
from services.launcher.kernel import children
from services.launcher.signals import Signals
from shared.lock import holder

REPORT_EVERY_S: Final = 2.0
ORPHANS_S: Final = 5.0
HANDLERS_S: Final = 5.0
KILLED_S: Final = 5.0


class Shutdown:
    """Ends a crew. Further Ctrl-C: the second is told what is waited for, the third kills."""

    def __init__(self, crew: Crew, console: Console, signals: Signals) -> None:
        self._crew = crew
        self._console = console
        self._signals = signals
        self._heard = 0

    def run(self) -> None:
        """Stop every program, rank by rank. Redis comes after the orphans of the others."""
        self._crew.restarting = False
        self._heard = self._signals.stops
        ranks = sorted({member.program.stop_rank for member in self._crew.members})
        for rank in ranks:
            if rank == ranks[-1]:
                self._end_orphans()
            self._stop([m for m in self._crew.members if m.program.stop_rank == rank])
        self._end_orphans()

    @property
    def _killing(self) -> bool:
        return self._signals.stops >= 3

    def _stop(self, members: list[Member]) -> None:
        started = time.monotonic()
        for member in members:
            self._await_handlers(member)
            if member.child is not None:
                member.child.signal(signal.SIGTERM)
        reported = started
        while waiting := [m for m in members if m.child is not None]:
            now = time.monotonic()
            late = [m for m in waiting if now - started >= m.program.stop_s]
            if self._killing or late:
                self._kill(waiting if self._killing else late)
            if self._told_again() or now - reported >= REPORT_EVERY_S:
                reported = now
                self._report(waiting, now - started)
            self._crew.turn(0.1)

    def _await_handlers(self, member: Member) -> None:
        """A program that starts just now would die of SIGTERM instead of stopping its work."""
        lock, deadline = member.program.lock, time.monotonic() + HANDLERS_S
        while lock and member.child is not None and holder(lock) != member.child.pid:
            if self._killing or time.monotonic() > deadline:
                return
            self._crew.turn(0.05)

    def _told_again(self) -> bool:
        again, self._heard = self._signals.stops > self._heard, self._signals.stops
        if again and not self._killing:
            self._console.say("one more Ctrl-C kills what is left")
        return again

    def _report(self, waiting: list[Member], passed: float) -> None:
        names = " and ".join(m.program.name for m in waiting)
        longest = max(m.program.stop_s for m in waiting)
        self._console.say(f"waiting for {names} to end ({passed:.0f} s of at most {longest:.0f} s)")

    def _kill(self, members: list[Member]) -> None:
        for member in members:
            if member.child is not None:
                self._console.say(f"killing {member.program.name}")
                member.child.kill_session()
        deadline = time.monotonic() + KILLED_S
        while any(m.child is not None for m in members) and time.monotonic() < deadline:
            self._crew.turn(0.05)

    def _end_orphans(self) -> None:
        """End what the programs left: as subreaper, all their descendants come to us."""
        deadline = time.monotonic() + ORPHANS_S
        told: set[int] = set()
        while orphans := self._orphans():
            kill = self._killing or time.monotonic() > deadline
            if fresh := [pid for pid in orphans if pid not in told]:
                self._console.say(f"ending {len(fresh)} process(es) that were left behind")
            for pid in orphans if kill else fresh:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
            told |= set(orphans)
            if kill and time.monotonic() > deadline + KILLED_S:
                self._console.say(f"these do not end: pid {', '.join(map(str, orphans))}")
                return
            self._crew.turn(0.05)

    def _orphans(self) -> list[int]:
        self._crew.turn(0)
        known = {m.child.pid for m in self._crew.members if m.child is not None}
        return [pid for pid in children() if pid not in known]
