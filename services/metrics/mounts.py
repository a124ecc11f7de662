"""The mount table, and which of its entries a person may want to watch. Pure."""

from pathlib import PurePosixPath
from typing import Final, NamedTuple

PSEUDO: Final = frozenset(
    {
        "autofs",
        "binder",
        "binfmt_misc",
        "bpf",
        "cgroup",
        "cgroup2",
        "configfs",
        "cpuset",
        "debugfs",
        "devfs",
        "devpts",
        "devtmpfs",
        "efivarfs",
        "fusectl",
        "hugetlbfs",
        "mqueue",
        "nsfs",
        "proc",
        "pstore",
        "ramfs",
        "rpc_pipefs",
        "securityfs",
        "selinuxfs",
        "sysfs",
        "tracefs",
    }
)
_HIDDEN: Final = ("/dev", "/proc", "/sys")
_ESCAPES: Final = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


class Mount(NamedTuple):
    """Where a file system is mounted, and its type."""

    point: str
    fs_type: str


def parse_mountinfo(text: str) -> list[Mount]:
    """`/proc/self/mountinfo` (proc(5)), in its order: of two at one place the later one counts."""
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, rest = left.split(" "), right.split(" ")
        if dash and len(fields) >= 5 and rest[0]:
            point = _unescape(fields[4])
            found.pop(point, None)
            found[point] = Mount(point, rest[0])
    return list(found.values())


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that `path` lies on, by its name: links are not followed, nothing is asked."""
    place = str(PurePosixPath(path))
    best: Mount | None = None
    for mount in mounts:
        inside = place == mount.point or place.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def candidates(mounts: list[Mount]) -> list[str]:
    """Mount points worth watching: `/` first, then by path."""
    points = {
        mount.point
        for mount in mounts
        if mount.fs_type not in PSEUDO
        and not any(mount.point == h or mount.point.startswith(h + "/") for h in _HIDDEN)
    }
    return sorted(points, key=lambda point: (point != "/", point))


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    for escape, char in _ESCAPES.items():
        text = text.replace(escape, char)
    return text
