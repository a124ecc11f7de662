"""The worker processes of this program: forked, reaped, started again."""

import os
import secrets
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 20.0
"""One that lived so long begins with the shortest pause again."""


@dataclass(slots=True)
class Slot:
    """One worker's place. `name` is new for each process; `pid` 0 while there is none."""

    queue: str
    name: str = ""
    pid: int = 0
    started: float = 0.0
    due: float = 0.0
    pause: float = FIRST_PAUSE_S


class Workers:
    """One worker per queue. `program` begins all their names.

    Forked and not started afresh: the modules are there, and their memory is shared.
    """

    def __init__(
        self, program: str, queues: tuple[str, ...], work: Callable[[str, str], int]
    ) -> None:
        self.slots = [Slot(queue) for queue in queues]
        self._program = program
        self._work = work

    def start_due(self) -> None:
        """Fork whoever is missing and due."""
        now = time.monotonic()
        for slot in self.slots:
            if not slot.pid and now >= slot.due:
                slot.name = f"{self._program}-{slot.queue}-{secrets.token_hex(4)}"
                slot.started = now
                slot.pid = self._fork(slot)

    def reap(self) -> list[Slot]:
        """The slots whose process has ended since the last call."""
        ended = []
        for slot in self.slots:
            if slot.pid and os.waitpid(slot.pid, os.WNOHANG)[0]:
                now = time.monotonic()
                steady = now - slot.started > STEADY_S
                slot.pause = FIRST_PAUSE_S if steady else min(slot.pause * 2, LONGEST_PAUSE_S)
                slot.pid, slot.due = 0, now + slot.pause
                ended.append(slot)
        return ended

    def signal(self, number: signal.Signals) -> None:
        """To every worker that is there."""
        for slot in self.slots:
            if slot.pid:
                os.kill(slot.pid, number)

    @property
    def running(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.pid]

    def _fork(self, slot: Slot) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            code = self._work(slot.queue, slot.name)
        finally:
            # Not by `sys.exit`: what the keeper cleans up at its end is not this process' own.
            os._exit(code)
