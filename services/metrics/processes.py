"""The process part of a snapshot: our services with their trees, and who else is busy."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.metrics.disks import PathWatch, usage
from services.metrics.network import Sockets, sockets_of
from services.metrics.proctable import TICKS, CpuUsage, Proc, Table, read_small, trees
from services.metrics.watched import Watched

MAX_EXTERNAL: Final = 20
_COMM_LENGTH: Final = 15
"""The kernel cuts names to it."""
_CONTAINERS: Final = ("docker", "kubepods")


@dataclass(frozen=True, slots=True)
class Running:
    """A service that has a process, in the order of `started_at`."""

    name: str
    pid: int
    started_at: float


class Processes:
    """Keeps CPU baselines, and what never changes of a process. Called from one thread."""

    def __init__(self, boot_time: float, watch: PathWatch, root: str = "/proc") -> None:
        self._boot_time = boot_time
        self._watch = watch
        self._root = root
        self._usage = CpuUsage()
        self._cpu: dict[int, float] = {}
        self._known: dict[tuple[int, int], tuple[str, str | None]] = {}
        """Name and container of who was shown, by pid and start."""

    def read(
        self,
        table: Table,
        now: float,
        running: list[Running],
        watched: Mapping[str, Watched],
        sockets: Mapping[int, Sockets],
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """`dumb_managed` and `external` (contract websocket.md 4.1). `now`: monotonic."""
        self._cpu = self._usage.percents(table, now)
        below = trees(table, [service.pid for service in running])
        ours = {pid for pid, members in below.items() for pid in (pid, *(m.pid for m in members))}
        managed = [
            self._managed(service, table.get(service.pid), below[service.pid], watched, sockets)
            for service in running
        ]
        others = [proc for pid, proc in table.items() if pid not in ours]
        others.sort(key=lambda proc: (-self._cpu[proc.pid], -proc.rss, proc.pid))
        busiest = others[:MAX_EXTERNAL]
        self._forget(busiest)
        return managed, [self._external(proc, sockets) for proc in busiest]

    def _managed(
        self,
        service: Running,
        proc: Proc | None,
        members: list[Proc],
        watched: Mapping[str, Watched],
        sockets: Mapping[int, Sockets],
    ) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": service.name, "pid": service.pid}
        if proc is not None:
            family = [proc, *members]
            entry |= self._common(proc)
            entry["start_time"] = round(self._boot_time + proc.start_ticks / TICKS, 2)
            entry["tree_rss"] = sum(member.rss for member in family)
            entry["tree_cpu_percent"] = round(sum(self._cpu[m.pid] for m in family), 1)
            entry["children"] = len(members)
            entry |= sockets_of((member.pid for member in family), sockets)
        known = watched.get(service.name)
        if known is not None:
            entry["disk_paths"] = self._disk_paths(known)
            entry["ports_config"] = list(known.ports)
        return entry

    def _external(self, proc: Proc, sockets: Mapping[int, Sockets]) -> dict[str, Any]:
        name, container = self._identity(proc)
        return {
            "name": name,
            "pid": proc.pid,
            **self._common(proc),
            **sockets_of((proc.pid,), sockets),
            "container_id": container,
        }

    def _common(self, proc: Proc) -> dict[str, Any]:
        return {
            "cpu_percent": self._cpu[proc.pid],
            "rss": proc.rss,
            "vms": proc.vms,
            "threads": proc.threads,
            "disk_io": parse_io(read_small(f"{self._root}/{proc.pid}/io")),
        }

    def _disk_paths(self, watched: Watched) -> dict[str, Any]:
        paths, by_device = [], {}
        for path in watched.paths:
            look = self._watch.get(path)
            there = look is not None and look.exists
            paths.append(
                {"path": path, "exists": there, "usage": usage(look) if look and there else None}
            )
            if look is not None and look.exists:
                by_device[look.device] = look.used
        return {"paths": paths, "used_total": sum(by_device.values())}

    def _identity(self, proc: Proc) -> tuple[str, str | None]:
        key = (proc.pid, proc.start_ticks)
        if key not in self._known:
            command = read_small(f"{self._root}/{proc.pid}/cmdline")
            groups = read_small(f"{self._root}/{proc.pid}/cgroup").decode("utf-8", "replace")
            self._known[key] = (full_name(proc.comm, command), container_of(groups))
        return self._known[key]

    def _forget(self, shown: list[Proc]) -> None:
        kept = {(proc.pid, proc.start_ticks) for proc in shown}
        self._known = {key: value for key, value in self._known.items() if key in kept}


def parse_io(data: bytes) -> dict[str, int] | None:
    """`/proc/<pid>/io`; None when it may not be read (another user's process)."""
    pairs = (line.partition(b": ") for line in data.splitlines())
    found = {key: int(value) for key, _, value in pairs if value.isdigit()}
    try:
        return {
            "read_bytes": found[b"read_bytes"],
            "write_bytes": found[b"write_bytes"],
            "read_count": found[b"syscr"],
            "write_count": found[b"syscw"],
        }
    except KeyError:
        return None


def full_name(comm: str, cmdline: bytes) -> str:
    """The name of the program; one that the kernel cut is completed from the command line."""
    if len(comm.encode()) < _COMM_LENGTH:
        return comm
    program = cmdline.partition(b"\0")[0].rpartition(b"/")[2].decode("utf-8", "replace")
    return program if program.startswith(comm) else comm


def container_of(groups: str) -> str | None:
    """The last part of the first control group of a container (cgroups(7))."""
    for line in groups.splitlines():
        path = line.split(":", 2)[-1]
        if any(word in path for word in _CONTAINERS):
            return path.rstrip("/").rpartition("/")[2] or None
    return None
