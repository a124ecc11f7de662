"""What the supervisor runs on, for `GET /environment`. Blocking: call it in a thread."""

import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from shared.config.masking import masked_value
from shared.container import container_engine
from shared.texts import encodable
from shared.version import VERSION

_CGROUP: Final = Path("/sys/fs/cgroup")
_OWN_PREFIXES: Final = ("DUMB_", "REDIS_", "JWT_")


def describe(
    home: Path, config_path: Path, directories: Iterable[Path], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Facts that change seldom. `environ`: the variables that decide something."""
    return {
        "version": VERSION,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "node": socket.gethostname(),
        "user": os.geteuid(),
        "container": container_engine(),
        "cgroup": _limits(),
        "cpus": len(os.sched_getaffinity(0)),
        "time_zone": "/".join(time.tzname),
        "home": encodable(str(home)),
        "config_path": encodable(str(config_path)),
        "disks": [_disk(path) for path in dict.fromkeys(directories)],
        "environment": {
            encodable(name): masked_value(name, encodable(value))
            for name, value in sorted(environ.items())
            if name.startswith(_OWN_PREFIXES)
        },
    }


def _disk(path: Path) -> dict[str, Any]:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        return {"path": encodable(str(path)), "problem": error.strerror or "unknown"}
    return {"path": encodable(str(path)), "total": usage.total, "free": usage.free}


def _limits() -> dict[str, str]:
    """What the control group allows, as the kernel writes it; `max` is no limit."""
    found = {}
    for name in ("memory.max", "memory.current", "cpu.max", "pids.max"):
        try:
            found[name] = (_CGROUP / name).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
    return found
