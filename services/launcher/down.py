"""`dumb down`: the running `dumb up` of this data directory is told to stop, and waited for."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.launcher.kernel import command_line
from shared.lock import holder

REPORT_EVERY_S: Final = 2.0
PAUSE_S: Final = 0.1


def down(home: Path) -> int:
    """Returns 0 once nothing runs on `home`, 1 when somebody else holds its locks.

    A supervisor that outlived its launcher is stopped too. It waits as long as they do, who have
    a deadline for everything.
    """
    launcher = _stop(home / "run" / "launcher.lock", b"services.launcher")
    supervisor = _stop(home / "run" / "supervisor.lock", b"services.supervisor")
    if launcher is None and supervisor is None:
        print(f"dumb is not running on {home}.")
    elif launcher is not False and supervisor is not False:
        print(f"dumb has stopped on {home}.")
    return 1 if launcher is False or supervisor is False else 0


def _stop(lock: Path, module: bytes) -> bool | None:
    """SIGTERM to the holder of `lock`, and wait. None: nobody holds it; False: not `module`."""
    pid = holder(lock)
    if pid is None:
        return None
    if not pid or module not in command_line(pid):
        print(f"{lock} is held by pid {pid or 'unknown'}: no {module.decode()}.", file=sys.stderr)
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    started = reported = time.monotonic()
    while holder(lock) is not None:
        now = time.monotonic()
        if now - reported >= REPORT_EVERY_S:
            reported = now
            print(f"waiting for pid {pid} to stop everything ({now - started:.0f} s)", flush=True)
        time.sleep(PAUSE_S)
    return True
