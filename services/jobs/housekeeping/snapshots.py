"""Every night a copy of the configuration file, for a disk other than the supervisor's."""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

from services.jobs.config import read_config
from services.jobs.job import JobRun
from shared.config.document import save_document

KEPT: Final = 14
_PREFIX: Final = "dumb_config-"


def snapshot_config(run: JobRun) -> dict[str, Any]:
    """Write `jobs/snapshots/dumb_config-<UTC time>.json` (0600) and drop all but the last 14.

    The file's part of the projection is copied, without what memory and environment override and
    without `dumb.ui`. The same content is not written twice. The supervisor's own copies, which
    `POST /config/versions/{n}/restore` uses, are apart from this.

    Raises:
        NoConfigError, ConfigError, OSError, redis.exceptions.RedisError: nothing was written.
    """
    directory = run.data_dir / "snapshots"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = read_config(run.redis, run.keys)
    found = _snapshots(directory)
    if found and _content(found[-1]) == config.file:
        return {"written": None, "kept": len(found), "version": config.version}
    name = f"{_PREFIX}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    save_document(directory / name, config.file, private=True)
    found = _snapshots(directory)
    for old in found[:-KEPT]:
        old.unlink()
    return {"written": name, "kept": min(len(found), KEPT), "version": config.version}


def _snapshots(directory: Path) -> list[Path]:
    """The oldest first: their names sort by time."""
    return sorted(directory.glob(f"{_PREFIX}*.json"), key=os.fspath)


def _content(path: Path) -> Any:
    """None for one that cannot be read: a new one is written then."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
