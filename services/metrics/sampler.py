"""One snapshot: everything that is measured, put together. Runs in one thread of its own."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.metrics.disks import PathWatch, filesystem
from services.metrics.host import Host
from services.metrics.network import Sockets, read_interfaces
from services.metrics.options import Options
from services.metrics.processes import Processes, Running
from services.metrics.proctable import read_table
from services.metrics.watched import Watched
from shared.metrics.off import DATABASE_HEALTH, PLEX_STATUS

FILESYSTEM_EVERY_S: Final = 5.0
DISK_PATH_EVERY_S: Final = 30.0
CANDIDATE_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next sample shall look at. A new one replaces it whole."""

    options: Options = field(default_factory=Options)
    watched: Mapping[str, Watched] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)
    sockets: Mapping[int, Sockets] = field(default_factory=dict)


class Sampler:
    """The only user of all baselines, so that no two readers distort each other's percents."""

    def __init__(self, watch: PathWatch | None = None) -> None:
        self._watch = watch or PathWatch()
        self._host = Host(self._watch)
        self._processes = Processes(self._host.boot_time, self._watch)
        self._first = True

    def sample(self, plan: Plan) -> dict[str, Any]:
        """A snapshot (contract websocket.md 4.1). Takes milliseconds, waits for no disk."""
        self._watch.refresh(self._periods(plan))
        if self._first:  # else the first sample of every start would lack all file systems
            self._first = False
            self._watch.settle(plan.options.filesystem_paths)
        managed, external = self._processes.read(
            read_table(), time.monotonic(), plan.running, plan.watched, plan.sockets
        )
        return {
            "timestamp": round(time.time(), 3),
            "system": self._host.read(plan.options),
            "dumb_managed": managed,
            "external": external,
            "database_health": DATABASE_HEALTH,
            "plex_status": PLEX_STATUS,
        }

    def candidates(self) -> dict[str, list[dict[str, Any]]]:
        """What could be configured: file systems that answer, and all interfaces."""
        found = []
        for path in self._watch.candidates():
            look = self._watch.get(path)
            if look is not None and look.directory and look.readable:
                found.append(filesystem(path, self._watch))
        return {"filesystems": found, "interfaces": read_interfaces()}

    def _periods(self, plan: Plan) -> dict[str, float]:
        """Seconds between two looks at a path; the most frequent one wins."""
        paths = (path for watched in plan.watched.values() for path in watched.paths)
        return {
            **dict.fromkeys(self._watch.candidates(), CANDIDATE_EVERY_S),
            **dict.fromkeys(paths, DISK_PATH_EVERY_S),
            **dict.fromkeys(plan.options.filesystem_paths, FILESYSTEM_EVERY_S),
        }
