"""The programs of this project that `dumb up` starts: one row each."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NAMES: Final = ("supervisor", "api", "metrics", "jobs")
"""What `--only` takes: the names of `program_table`."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program under the launcher's care.

    `stop_rank`: lower ones are stopped first, equal ones together. `stop_s`: seconds it has to
    end after SIGTERM. `outlives_launcher`: it is not signalled when the launcher is killed.
    `lock`: a file that it locks, with its pid in it, once it handles SIGTERM. `own`: what its
    environment has in place of everybody's.
    """

    name: str
    argv: tuple[str, ...]
    stop_rank: int
    stop_s: float
    outlives_launcher: bool = False
    lock: Path | None = None
    own: Mapping[str, str] = field(default_factory=dict)


def own_redis(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """`Program.own` of a program that is a Redis user of its own (docs/configuration.md)."""
    url = environ.get(f"DUMB_REDIS_URL_{name.upper()}", "").strip()
    if not url:
        return {}
    file = environ.get(f"DUMB_REDIS_PASSWORD_FILE_{name.upper()}", "")
    return {"REDIS_URL": url, "DUMB_REDIS_PASSWORD_FILE": file}


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
