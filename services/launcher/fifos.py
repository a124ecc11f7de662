"""Holding what services have written while no supervisor reads it.

A FIFO keeps its bytes as long as somebody has it open. Services have theirs open themselves, but
one that ends between two supervisors takes what it wrote last with it. So the launcher opens all
of them the moment it sees the supervisor die, and lets go once the next one has taken over. It
never reads. (docs/decisions/0002)
"""

import os
from contextlib import suppress
from pathlib import Path


class Fifos:
    """The FIFOs below a run directory (`services/<name>/<generation>/{out,err}.fifo`)."""

    def __init__(self, run_dir: Path) -> None:
        self._services = run_dir / "services"
        self._held: list[int] = []

    def hold(self) -> None:
        """Open every FIFO that is there now. Those already held stay held."""
        for path in self._services.glob("*/[0-9]*/*.fifo"):
            with suppress(OSError):  # finished with between the look and the opening
                fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
                self._held.append(fd)

    def release(self) -> None:
        """Close them."""
        while self._held:
            os.close(self._held.pop())
