"""CPU, memory and disk of the control group that we are in, version 1 or 2.

A container sees its own group as the root of the mounted tree. What cannot be read is None.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")
UNLIMITED: Final = 1 << 60
"""Version 1 says "no limit" with a number near 2^63."""


@dataclass(frozen=True, slots=True)
class CgroupReading:
    """`cpu_s`: CPU seconds used so far. `cpus`: the quota, None without one. Sizes in bytes."""

    cpu_s: float | None = None
    cpus: float | None = None
    memory_limit: int | None = None
    memory_used: int | None = None
    read_bytes: int | None = None
    write_bytes: int | None = None


def is_v2(root: Path = ROOT) -> bool:
    """Whether the tree at `root` is of version 2."""
    return (root / "cpu.stat").exists()


def read_cgroup(root: Path = ROOT) -> CgroupReading:
    """The group at `root`, of whichever version."""
    return _read_v2(root) if is_v2(root) else _read_v1(root)


def _read_v2(root: Path) -> CgroupReading:
    usage = _keyed(root / "cpu.stat").get("usage_usec")
    quota, _, period = _text(root / "cpu.max").partition(" ")
    written = _io_v2(_text(root / "io.stat").splitlines())
    return CgroupReading(
        cpu_s=None if usage is None else usage / 1e6,
        cpus=_cpus(_integer(quota), _integer(period)),
        memory_limit=_integer(_text(root / "memory.max")),
        memory_used=_integer(_text(root / "memory.current")),
        read_bytes=written[0],
        write_bytes=written[1],
    )


def _read_v1(root: Path) -> CgroupReading:
    cpu, memory = _controller(root, "cpu"), _controller(root, "memory")
    usage = _integer(_text(_controller(root, "cpuacct") / "cpuacct.usage"))
    limit = _integer(_text(memory / "memory.limit_in_bytes"))
    name = "blkio.throttle.io_service_bytes"
    written = _io_v1(_text(_controller(root, "blkio") / name).splitlines())
    return CgroupReading(
        cpu_s=None if usage is None else usage / 1e9,
        cpus=_cpus(
            _integer(_text(cpu / "cpu.cfs_quota_us")), _integer(_text(cpu / "cpu.cfs_period_us"))
        ),
        memory_limit=None if limit is None or limit >= UNLIMITED else limit,
        memory_used=_integer(_text(memory / "memory.usage_in_bytes")),
        read_bytes=written[0],
        write_bytes=written[1],
    )


def _controller(root: Path, name: str) -> Path:
    """Where a controller of version 1 is mounted: `cpu`, or together as `cpu,cpuacct`."""
    places = (name, "cpu,cpuacct", "cpuacct,cpu")
    wanted = places if name.startswith("cpu") else (name,)
    return next((root / place for place in wanted if (root / place).is_dir()), root / name)


def _cpus(quota: int | None, period: int | None) -> float | None:
    if quota is None or quota <= 0 or not period or period < 0:
        return None
    return max(quota / period, 0.1)


def _io_v2(lines: Iterable[str]) -> tuple[int | None, int | None]:
    """`8:0 rbytes=1 wbytes=2 ...`, one device a line."""
    read, written, seen = 0, 0, False
    for line in lines:
        for part in line.split()[1:]:
            key, _, value = part.partition("=")
            number = _integer(value)
            if number is not None and key in {"rbytes", "wbytes"}:
                seen = True
                read, written = (
                    (read + number, written) if key == "rbytes" else (read, written + number)
                )
    return (read, written) if seen else (None, None)


def _io_v1(lines: Iterable[str]) -> tuple[int | None, int | None]:
    """`8:0 Read 1`, `8:0 Write 2`, and totals."""
    sums: dict[str, int] = {}
    for line in lines:
        parts = line.split()
        number = _integer(parts[-1]) if len(parts) == 3 else None
        if number is not None:
            sums[parts[1]] = sums.get(parts[1], 0) + number
    return sums.get("Read"), sums.get("Write")


def _keyed(path: Path) -> dict[str, int]:
    pairs = (line.partition(" ") for line in _text(path).splitlines())
    return {key: number for key, _, text in pairs if (number := _integer(text)) is not None}


def _integer(text: str) -> int | None:
    """None for `max` and for what is no number."""
    try:
        return int(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
