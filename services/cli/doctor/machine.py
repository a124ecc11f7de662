"""What this machine alone can tell: the data directory, the configuration file, the locks."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from services.cli.doctor.findings import Finding
from shared.config.document import with_line
from shared.config.notices import notices, summary_of
from shared.config.pages import load_config
from shared.config.validate import problems
from shared.errors import ConfigError
from shared.settings import Settings

LOW_DISK_BYTES: Final = 1 << 30


def check_home(settings: Settings) -> Iterator[Finding]:
    """Whether it is private, may be written, and has room."""
    home = settings.home
    try:
        mode, usage = home.stat().st_mode, shutil.disk_usage(home)
    except OSError as error:
        yield Finding("data directory", False, f"{home}: {error.strerror}", "Look at its rights.")
        return
    if mode & 0o022:
        yield Finding(
            "data directory", False, f"{home} may be written by others", f"chmod go-w {home}"
        )
    elif not os.access(home, os.W_OK | os.X_OK):
        advice = "Run this as the user that runs the programs."
        yield Finding("data directory", False, f"{home} may not be written by you", advice)
    else:
        free = f"{usage.free / (1 << 30):.1f} GiB free"
        full = usage.free < LOW_DISK_BYTES
        yield Finding("data directory", not full, f"{home}, {free}", "Make room." if full else "")


def check_config_file(settings: Settings) -> Iterator[Finding]:
    """Whether a supervisor could use it; each fault with its line."""
    path = settings.config_path
    if not path.exists():
        advice = "`make run` copies the sample there; or set DUMB_CONFIG."
        yield Finding("configuration file", False, f"{path} is not there", advice)
        return
    try:
        config, pages = load_config(path)
        found = problems(config, str(path))
        remembered = pages.problem or pages.excess
    except ConfigError as error:
        found, remembered = [error], ""
    advice = "Repair it; until then the last good one counts."
    for fault in found[:5]:
        yield Finding("configuration file", False, str(with_line(fault, path)), advice)
    if not found:
        yield Finding("configuration file", True, f"{path} can be used")
    if remembered:
        advice = "Delete 'ui' in the object 'dumb', or a part of it: only web pages read it."
        yield Finding("page memory", False, f"{path}: {remembered}", advice)


def check_options(settings: Settings) -> Iterator[Finding]:
    """What the file asks for and does not get. The API says this as well, of what is in force."""
    try:
        summary = summary_of(notices(load_config(settings.config_path)[0]))
    except ConfigError:
        return  # `check_config_file` says why
    if summary:
        advice = "See docs/migrating.md, and `GET /config?sources=1` for details."
        yield Finding("options without effect", True, summary, advice)


def check_locks(settings: Settings) -> Iterator[Finding]:
    """Who runs on the data directory."""
    for name in ("launcher", "supervisor"):
        path = settings.run_dir / f"{name}.lock"
        pid = lock_holder(path, Path("/proc/locks"))
        if pid is not None:
            yield Finding(f"{name} process", True, f"pid {pid} holds {path}")
        elif name == "supervisor":  # a launcher is not needed: systemd and containers do without
            yield Finding(f"{name} process", False, "is not running", "Start it with `dumb up`.")


def lock_holder(path: Path, table: Path) -> int | None:
    """Pid that holds the lock on a file, by the kernel's `table`: trying it would be in the way."""
    try:
        status = path.stat()
        rows = table.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for words in map(str.split, rows):
        if len(words) > 5 and words[1] == "FLOCK" and words[5] == device:
            return int(words[4])
    return None
