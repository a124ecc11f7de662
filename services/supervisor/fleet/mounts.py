"""What is mounted, and a wait for that to change. Asks the kernel's table, never the mounts:
a stat of a dead network mount does not come back."""

import asyncio
import contextlib
import re
import select
from pathlib import Path
from typing import Final

MOUNTINFO: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


def mount_points(table: str) -> frozenset[str]:
    """The mount points of a `mountinfo` table (proc(5): the fifth field, blanks as octal)."""
    points = (line.split(" ", 5)[4] for line in table.splitlines() if line.count(" ") >= 5)
    return frozenset(_ESCAPED.sub(lambda match: chr(int(match[1], 8)), point) for point in points)


def mounted() -> frozenset[str]:
    """The mount points of now. Raises `OSError`."""
    return mount_points(MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))


class MountWatch:
    """Wakes whoever waits when something is mounted or unmounted.

    The kernel reports a change of the table as an exceptional condition on it, which event loops
    do not offer; an epoll of our own asks for just that, and is itself readable when it happens.
    """

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._file = MOUNTINFO.open("rb")
        self._epoll = select.epoll()
        self._epoll.register(self._file, select.EPOLLPRI)
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._on_change)

    def _on_change(self) -> None:
        self._epoll.poll(0)  # which takes the news in
        self._changed.set()

    async def changed(self, timeout_s: float) -> bool:
        """Wait for a change, at most so long; whether there was one since the last call."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        was = self._changed.is_set()
        self._changed.clear()
        return was

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._file.close()
