"""Points as the arrays and extremes of charts (contract websocket.md 4.3). Pure."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from shared.metrics.points import (
    COUNTERS,
    FS_GAUGES,
    GAUGES,
    NET_COUNTERS,
    Point,
    extremes,
    names_of,
    rates,
)

_Column = TypeVar("_Column")

_DIGITS: Final = 3


def series_of(points: list[Point]) -> dict[str, Any]:
    """Arrays as long as `points`; the keys are there without any."""
    times = [point["t"] for point in points]

    def gauge(name: str) -> list[float | None]:
        return [point["g"].get(name) for point in points]

    def rate(name: str) -> list[float | None]:
        found = rates(times, [point["n"].get(name) for point in points])
        return [None if value is None else round(value, _DIGITS) for value in found]

    return _shape(points, gauge, rate)


def stats_of(points: list[Point]) -> dict[str, Any] | None:
    """The extremes of every array, from all points and not only the shown ones."""
    if not points:
        return None
    found = extremes(points)

    def bounds(name: str) -> dict[str, float] | None:
        pair = found.get(name)
        return None if pair is None else {"min": pair[0], "max": pair[1]}

    return _shape(points, bounds, bounds)


def _shape(
    points: list[Point], gauge: Callable[[str], _Column], rate: Callable[[str], _Column]
) -> dict[str, Any]:
    paths = _parts(names_of(points, "g"), FS_GAUGES)
    interfaces = _parts(names_of(points, "n"), NET_COUNTERS)
    return {
        **{name: gauge(name) for name in GAUGES},
        **{f"{name}_rate": rate(name) for name in COUNTERS},
        "filesystems": {
            path: {name: gauge(f"{name}:{path}") for name in FS_GAUGES} for path in paths
        },
        "network_interfaces": {
            interface: {f"{name}_rate": rate(f"{name}:{interface}") for name in NET_COUNTERS}
            for interface in interfaces
        },
    }


def _parts(names: list[str], kinds: tuple[str, ...]) -> list[str]:
    """`/data` of `disk:/data`, each once."""
    split = (name.partition(":") for name in names)
    return list(dict.fromkeys(part for kind, colon, part in split if colon and kind in kinds))
