"""Taking over from a supervisor that outlived its launcher: it goes, its services stay."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.launcher.kernel import command_line
from shared.errors import DumbError
from shared.lock import holder

HAND_OVER: Final = signal.SIGUSR2
"""Asks a supervisor to exit and to leave its services to the next one."""

WAIT_S: Final = 30.0


def take_over(lock: Path, pause: Callable[[float], None] = time.sleep) -> int | None:
    """If a supervisor holds `lock`, make it hand over and return its pid; else return None.

    Raises:
        DumbError: the holder is no supervisor of ours, or does not go within `WAIT_S`.
    """
    pid = holder(lock)
    if pid is None:
        return None
    if not pid or b"services.supervisor" not in command_line(pid):
        raise DumbError(
            f"{lock} is held by pid {pid or 'unknown'}, which is no supervisor: end it."
        )
    with suppress(ProcessLookupError):
        os.kill(pid, HAND_OVER)
    deadline = time.monotonic() + WAIT_S
    while holder(lock) is not None:
        if time.monotonic() > deadline:
            raise DumbError(
                f"The supervisor of the last run (pid {pid}) does not hand over: "
                f"`kill {pid}` stops it and its services."
            )
        pause(0.05)
    return pid
