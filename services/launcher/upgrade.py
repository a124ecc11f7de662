"""`dumb supervisor upgrade`: another supervisor takes over, and no service notices.

The new code is tried before the old one goes: a version that cannot even start must not leave the
services without a supervisor.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.launcher.handover import HAND_OVER
from services.launcher.kernel import command_line
from shared.errors import DumbError
from shared.exits import Exit
from shared.lock import holder

CHECK_S: Final = 60.0
TAKE_OVER_S: Final = 60.0
PAUSE_S: Final = 0.05


class NotRunningError(DumbError):
    """There is nothing to upgrade, or nobody who would start the next one."""

    code = "not_running"
    exit_code = Exit.UNAVAILABLE


def upgrade(home: Path) -> int:
    """Returns 0 once the next supervisor is in charge.

    Raises:
        DumbError: nothing has changed, or the next one does not come; the sentence says which.
    """
    lock = home / "run" / "supervisor.lock"
    pid = holder(lock)
    if not pid or b"services.supervisor" not in command_line(pid):
        raise NotRunningError(f"No supervisor runs on {home}.")
    if not holder(home / "run" / "launcher.lock"):
        raise NotRunningError(
            f"No `dumb up` runs on {home}, so nobody would start the next supervisor. "
            f"`kill -USR2 {pid}` makes this one go and leave its services; then start another."
        )
    _try_out()
    with suppress(ProcessLookupError):
        os.kill(pid, HAND_OVER)
    successor = _await_successor(lock, pid)
    print(f"The supervisor is pid {successor} now (was {pid}); the services went on running.")
    return Exit.OK


def _try_out() -> None:
    """Raises `DumbError` when the code on the disk does not start."""
    argv = [sys.executable, "-m", "services.supervisor", "--check"]
    try:
        tried = subprocess.run(argv, capture_output=True, timeout=CHECK_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DumbError(f"The new supervisor cannot be tried out: {error}.") from error
    if tried.returncode != 0:
        lines = (tried.stderr or tried.stdout).decode("utf-8", "replace").strip().splitlines()
        why = lines[-1] if lines else f"exit code {tried.returncode}"
        raise DumbError(f"The new supervisor would not start, so the old one stays: {why}")


def _await_successor(lock: Path, former: int) -> int:
    deadline = time.monotonic() + TAKE_OVER_S
    while (pid := holder(lock)) in {None, 0, former}:
        if time.monotonic() > deadline:
            state = "does not go" if pid == former else "has gone, and the next one does not come"
            raise DumbError(f"The supervisor (pid {former}) {state}: its log says why.")
        time.sleep(PAUSE_S)
    return pid or 0
