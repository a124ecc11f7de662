"""The numbers of a snapshot that charts are made of, and snapshots without what charts lack. Pure.

A point is small and flat, so that a chart of a day reads a few kilobytes of numbers instead of
decoding every snapshot whole:

    {"t": timestamp, "g": {gauge: value or null}, "n": {counter: value or null}}

A point of a coarser tier stands for a time: `g` holds averages, `n` the last values, and `lo` and
`hi` the extremes of gauges and of the counters' rates per second.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import chain, compress
from operator import itemgetter
from typing import Any, Final

Point = dict[str, Any]

GAUGES: Final = ("cpu", "mem", "disk", "inode")
COUNTERS: Final = {
    "disk_read": ("disk_io", "read_bytes"),
    "disk_write": ("disk_io", "write_bytes"),
    "net_sent": ("net_io", "sent_bytes"),
    "net_recv": ("net_io", "recv_bytes"),
}
"""Where they stand in `system`."""
FS_GAUGES: Final = ("disk", "inode")
NET_COUNTERS: Final = ("sent", "recv")


def point_of(snapshot: Mapping[str, Any]) -> Point:
    """The numbers of a snapshot. What is missing or of the wrong kind is null."""
    system = _object(snapshot.get("system"))
    gauges: dict[str, float | None] = {"cpu": _number(system.get("cpu_percent"))}
    for name in GAUGES[1:]:
        gauges[name] = _percent(system.get(name))
    counters = {
        name: _number(_object(system.get(part)).get(key)) for name, (part, key) in COUNTERS.items()
    }
    for entry in _objects(system.get("filesystems")):
        path = str(entry.get("path"))
        gauges[f"disk:{path}"] = _number(entry.get("percent"))
        gauges[f"inode:{path}"] = _percent(entry.get("inode"))
    for entry in _objects(system.get("network_interfaces")):
        for name in NET_COUNTERS:
            counters[f"{name}:{entry.get('name')}"] = _number(entry.get(f"{name}_bytes"))
    return {"t": _number(snapshot.get("timestamp")) or 0.0, "g": gauges, "n": counters}


def compact_of(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """A snapshot as charts list it (contract websocket.md 4.2)."""
    system = _object(snapshot.get("system"))
    return {
        "timestamp": snapshot.get("timestamp"),
        "system": {
            "cpu_percent": system.get("cpu_percent"),
            "cpu_count": system.get("cpu_count"),
            "mem": _only(system.get("mem"), ("percent",)),
            "disk": _only(system.get("disk"), ("percent",)),
            "inode": _only(system.get("inode"), ("percent",)),
            "filesystems": [
                {key: entry.get(key) for key in _FILESYSTEM}
                | {"inode": _only(entry.get("inode"), ("percent",))}
                for entry in _objects(system.get("filesystems"))
            ],
            "disk_io": _only(system.get("disk_io"), ("read_bytes", "write_bytes")),
            "net_io": _only(system.get("net_io"), ("sent_bytes", "recv_bytes")),
            "network_interfaces": system.get("network_interfaces") or [],
        },
        "dumb_managed": [_process(entry) for entry in _objects(snapshot.get("dumb_managed"))],
        "external": [_process(entry) for entry in _objects(snapshot.get("external"))],
        "database_health": snapshot.get("database_health"),
    }


_FILESYSTEM: Final = ("path", "mount_point", "fs_type", "available", "percent")


def _process(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": entry.get("name"),
        "pid": entry.get("pid"),
        "cpu_percent": entry.get("cpu_percent"),
        "rss": entry.get("rss"),
        "disk_io": _only(entry.get("disk_io"), ("read_bytes", "write_bytes")),
    }


def rates(times: list[float], values: list[float | None]) -> list[float | None]:
    """Per second, between neighbours. Null where a value lacks, time stood still, or the counter
    began anew; the first one always (contract websocket.md 4.3)."""
    found: list[float | None] = [None] * len(values)
    for index in range(1, len(values)):
        before, now = values[index - 1], values[index]
        passed = times[index] - times[index - 1]
        if before is not None and now is not None and passed > 0 and now >= before:
            found[index] = (now - before) / passed
    return found


def names_of(points: Iterable[Point], kind: str) -> list[str]:
    """Every gauge (`g`) or counter (`n`) that occurs, in the order of appearance."""
    return list(dict.fromkeys(chain.from_iterable(point[kind] for point in points)))


def extremes(points: list[Point], before: Point | None = None) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of every gauge, and rate of every counter; without those of which
    nothing is known. `before`: the point before the first one, for its rates."""
    found: dict[str, tuple[float, float]] = {}
    # These know their extremes.
    rolled = [(point["lo"], point["hi"]) for point in points if "lo" in point]
    bounds = [low for low, _ in rolled], [high for _, high in rolled]
    plain = [point for point in points if "lo" not in point]
    for name in names_of(points, "g"):
        own = [point["g"].get(name) for point in plain]
        _widen(found, name, bounds, own)
    row = [before, *points] if before is not None else points
    times = [point["t"] for point in row] if plain else []
    is_plain = ["lo" not in point for point in points]
    for name in names_of(points, "n"):
        own = []
        if plain:
            values = rates(times, [point["n"].get(name) for point in row])
            own = list(compress(values[len(row) - len(points) :], is_plain))
        _widen(found, name, bounds, own)
    return found


Bounds = tuple[list[dict[str, float]], list[dict[str, float]]]


def _widen(
    found: dict[str, tuple[float, float]], name: str, bounds: Bounds, own: list[float | None]
) -> None:
    known = [value for value in own if value is not None]
    low, high = (_values(name, part) for part in bounds)
    if known or low:
        found[name] = (min(chain(known, low)), max(chain(known, high)))


def _values(name: str, parts: list[dict[str, float]]) -> list[float]:
    """Of those that have it: nearly always all, which is five times as quick to ask."""
    try:
        return list(map(itemgetter(name), parts))
    except KeyError:
        return [part[name] for part in parts if name in part]


def _percent(part: Any) -> float | None:
    return _number(_object(part).get("percent"))


def _only(part: Any, keys: tuple[str, ...]) -> dict[str, Any] | None:
    return {key: part.get(key) for key in keys} if isinstance(part, dict) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
