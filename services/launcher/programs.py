"""The programs of this project that `dumb up` starts: one row each."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAMES: Final = ("supervisor", "api", "metrics", "jobs")
"""What `--only` takes: the names of `program_table`."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program under the launcher's care.

    `stop_rank`: lower ones are stopped first, equal ones together. `stop_s`: seconds it has to
    end after SIGTERM. `outlives_launcher`: it is not signalled when the launcher is killed.
    `lock`: a file that it locks, with its pid in it, once it handles SIGTERM.
    """

    name: str
    argv: tuple[str, ...]
    stop_rank: int
    stop_s: float
    outlives_launcher: bool = False
    lock: Path | None = None


def program_table(run_dir: Path) -> tuple[Program, ...]:
    """In the order of starting. The services stop before anything else: supervisor, rank 0."""
    return (
        Program(
            "supervisor",
            (sys.executable, "-m", "services.supervisor"),
            stop_rank=0,
            stop_s=150.0,
            outlives_launcher=True,
            lock=run_dir / "supervisor.lock",
        ),
        Program("api", (sys.executable, "-m", "services.api"), stop_rank=1, stop_s=15.0),
        Program("metrics", (sys.executable, "-m", "services.metrics"), stop_rank=1, stop_s=5.0),
        Program("jobs", (sys.executable, "-m", "services.jobs"), stop_rank=1, stop_s=15.0),
    )
