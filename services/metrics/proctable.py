"""Every process of the host, from one pass over `/proc/<pid>/stat`.

That one file has all that a sample needs of most processes. psutil opens several for each; here
only the few that are shown are looked at again.
"""

import os
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Proc(NamedTuple):
    """One live process. `cpu_ticks` and `start_ticks` (since boot) in `TICKS` per second."""

    pid: int
    ppid: int
    session: int
    comm: str
    cpu_ticks: int
    threads: int
    start_ticks: int
    vms: int
    rss: int


Table = dict[int, Proc]


def parse_stat(data: bytes) -> Proc | None:
    """A process, or None for a zombie and for what is no stat line (proc(5))."""
    begin, end = data.find(b"("), data.rfind(b")")
    fields = data[end + 2 :].split(None, 23)
    if begin < 0 or end < begin or len(fields) < 22 or fields[0] in {b"Z", b"X"}:
        return None
    try:
        return Proc(
            pid=int(data[:begin]),
            ppid=int(fields[1]),
            session=int(fields[3]),
            comm=data[begin + 1 : end].decode("utf-8", "replace"),
            cpu_ticks=int(fields[11]) + int(fields[12]),
            threads=int(fields[17]),
            start_ticks=int(fields[19]),
            vms=int(fields[20]),
            rss=int(fields[21]) * PAGE,
        )
    except ValueError:
        return None


def read_table(root: str = "/proc") -> Table:
    """All live processes. One that ends meanwhile is left out."""
    table: Table = {}
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if entry.name.isdecimal()]
    for name in names:
        data = read_small(f"{root}/{name}/stat")
        found = parse_stat(data) if data else None
        if found is not None:
            table[found.pid] = found
    return table


def read_small(path: str, size: int = 4096) -> bytes:
    """A file of /proc, `b""` when it cannot be read; without the layers of `open`."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, size)
    except OSError:
        return b""
    finally:
        os.close(fd)


def trees(table: Table, roots: Iterable[int]) -> dict[int, list[Proc]]:
    """For each root its descendants, without itself.

    A service leads a session of its own, so whoever is still in that session belongs to it though
    its parent died. Roots below one another (a helper of a service) keep their own.
    """
    wanted = set(roots)
    by_parent: dict[int, list[Proc]] = {}
    by_session: dict[int, list[Proc]] = {}
    for proc in table.values():
        by_parent.setdefault(proc.ppid, []).append(proc)
        if proc.session in wanted:
            by_session.setdefault(proc.session, []).append(proc)
    return {root: _members(root, wanted, by_parent, by_session) for root in wanted}


def _members(
    root: int,
    roots: set[int],
    by_parent: Mapping[int, list[Proc]],
    by_session: Mapping[int, list[Proc]],
) -> list[Proc]:
    found: dict[int, Proc] = {}
    waiting = [*by_parent.get(root, ()), *by_session.get(root, ())]
    while waiting:
        proc = waiting.pop()
        if proc.pid not in found and proc.pid not in roots:
            found[proc.pid] = proc
            waiting += by_parent.get(proc.pid, ())
    return list(found.values())


class CpuUsage:
    """CPU percent of one core since the last sample, per process. The only user of its baseline."""

    def __init__(self) -> None:
        self._before: dict[int, tuple[int, int]] = {}
        self._at = 0.0

    def percents(self, table: Table, now: float) -> dict[int, float]:
        """By pid; 0.0 for who was not there before. `now` by the monotonic clock."""
        passed = now - self._at
        before, found = self._before, {}
        for pid, proc in table.items():
            start, ticks = before.get(pid, (-1, 0))
            spent = proc.cpu_ticks - ticks if start == proc.start_ticks else 0
            found[pid] = round(spent / TICKS / passed * 100, 1) if spent > 0 < passed else 0.0
        self._before = {pid: (proc.start_ticks, proc.cpu_ticks) for pid, proc in table.items()}
        self._at = now
        return found
