"""The `system` part of a snapshot: the host, or the control group that we are in."""

import os
import time
from typing import Any, Final

import psutil

from services.metrics.cgroup import CgroupReading, is_v2, read_cgroup
from services.metrics.disks import PathWatch, filesystem, percent
from services.metrics.network import read_interfaces, select_interfaces
from services.metrics.options import Options
from services.metrics.quietly import quietly

MIN_PASSED_S: Final = 0.01


class Host:
    """Keeps what CPU percent is counted from. Called from one thread."""

    def __init__(self, watch: PathWatch) -> None:
        self._watch = watch
        self._cpus = psutil.cpu_count() or 1
        self._boot_time = psutil.boot_time()
        self._container_start = _start_of_pid_1(self._boot_time)
        self._cgroup_before: tuple[float, float] | None = None
        psutil.cpu_percent(None)  # the first call only begins the interval

    @property
    def boot_time(self) -> float:
        return self._boot_time

    def read(self, options: Options) -> dict[str, Any]:
        """The whole `system` object (contract websocket.md 4.1)."""
        filesystems = [filesystem(path, self._watch) for path in options.filesystem_paths]
        interfaces, net_io = select_interfaces(read_interfaces(), options.interfaces)
        first = filesystems[0]
        in_group = options.scope == "cgroup" or (options.scope == "auto" and is_v2())
        group = read_cgroup() if in_group else CgroupReading()
        host_percent = psutil.cpu_percent(None)  # asked always: it counts from its last call
        return {
            "scope": "cgroup" if in_group else "host",
            "cpu_percent": self._group_percent(group) if group.cpu_s is not None else host_percent,
            "cpu_count": self._cpus if group.cpus is None else round(group.cpus, 2),
            "load_avg": _load(),
            "mem": _memory(group),
            "swap": _swap(),
            "disk": {key: value for key, value in first.items() if key != "inode"},
            "inode": first["inode"],
            "filesystems": filesystems,
            "disk_io": _disk_io(group),
            "net_io": net_io,
            "network_interfaces": interfaces,
            "boot_time": self._boot_time,
            "container_start_time": self._container_start,
        }

    def _group_percent(self, group: CgroupReading) -> float | None:
        """Of the group's limit, since the last sample; None on the first one."""
        now, before = time.monotonic(), self._cgroup_before
        if group.cpu_s is None:
            return None
        self._cgroup_before = (now, group.cpu_s)
        if before is None or now - before[0] < MIN_PASSED_S:
            return None
        return cpu_percent(group.cpu_s - before[1], now - before[0], group.cpus or self._cpus)


def cpu_percent(spent_s: float, passed_s: float, cpus: float) -> float:
    """CPU seconds as percent of what was there."""
    return round(max(spent_s, 0.0) / passed_s / cpus * 100, 1)


def _memory(group: CgroupReading) -> dict[str, Any]:
    host = psutil.virtual_memory()
    if group.memory_used is None or group.memory_limit is None:
        return {"total": host.total, "used": host.used, "percent": host.percent}
    used, limit = group.memory_used, group.memory_limit
    return {"total": limit, "used": used, "percent": percent(used, limit)}


def _swap() -> dict[str, Any]:
    swap = quietly(psutil.swap_memory)
    return {name: getattr(swap, name, 0) for name in ("total", "used", "percent")}


def _disk_io(group: CgroupReading) -> dict[str, int | None]:
    names = ("read_bytes", "write_bytes", "read_count", "write_count")
    if group.read_bytes is not None and group.write_bytes is not None:
        # The group counts bytes alone.
        return dict(zip(names, (group.read_bytes, group.write_bytes, 0, 0), strict=True))
    counters = quietly(lambda: psutil.disk_io_counters(nowrap=False))
    return {name: getattr(counters, name, None) for name in names}


def _load() -> list[float] | None:
    load = quietly(os.getloadavg)
    return None if load is None else [round(value, 2) for value in load]


def _start_of_pid_1(default: float) -> float:
    started = quietly(lambda: psutil.Process(1).create_time())
    return float(started) if started is not None else default
