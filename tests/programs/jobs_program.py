"""A jobs program whose jobs do what a test wants: `jobs_program.py` under the usual environment.

`log-retention` waits until the file `$DUMB_HOME/go` is there, and notes each run and each end;
`history-check` fails; `session-cleanup` returns at once.
"""

import os
import sys
import time
from pathlib import Path

from services.jobs.job import Function, JobRun
from services.jobs.keeper import Keeper
from services.jobs.worker import run_worker
from shared import ownlog
from shared.jobs import Kind
from shared.settings import load_settings

HOME = Path(os.environ["DUMB_HOME"])


def note(what: str) -> None:
    """One line of the file that the test reads, in one write."""
    with (HOME / "notes").open("a") as file:
        file.write(f"{what}\n")


def wait(run: JobRun) -> str:
    note(f"begun {os.getpid()}")
    while not (HOME / "go").exists():
        run.progress(1, 2, "waiting")
        time.sleep(0.02)
    note("done")
    return "waited"


def fail(run: JobRun) -> None:
    note("tried")
    raise RuntimeError(f"{run.kind} cannot; Authorization: Bearer abcdef0123456789")


FUNCTIONS: dict[str, Function] = {
    Kind.LOG_RETENTION: wait,
    Kind.HISTORY_CHECK: fail,
    Kind.SESSION_CLEANUP: lambda _run: {"deleted": 0},
}

if __name__ == "__main__":
    settings = load_settings()
    ownlog.install("INFO")
    keeper = os.getpid()
    sys.exit(Keeper(settings, lambda q, n: run_worker(settings, q, n, FUNCTIONS, keeper)).run())
