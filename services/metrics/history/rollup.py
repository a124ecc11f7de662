"""Many points into one. Pure."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from shared.metrics.points import Point, extremes, names_of

_DIGITS = 3


class HasPoint(Protocol):
    """A row of a tier."""

    @property
    def point(self) -> Point: ...


_Row = TypeVar("_Row", bound=HasPoint)


def roll(points: list[Point], before: Point | None = None) -> Point:
    """What stands for all of `points` (at least one): averages, last counters, extremes."""
    last = points[-1]
    bounds = extremes(points, before)
    averages: dict[str, float | None] = {}
    for name in names_of(points, "g"):
        values = [v for point in points if (v := point["g"].get(name)) is not None]
        averages[name] = round(sum(values) / len(values), _DIGITS) if values else None
    return {
        "t": last["t"],
        "g": averages,
        "n": last["n"],
        "lo": {name: round(low, _DIGITS) for name, (low, _) in bounds.items()},
        "hi": {name: round(high, _DIGITS) for name, (_, high) in bounds.items()},
    }


def whole_buckets(rows: Iterable[_Row], step_s: int, now: float) -> Iterator[list[_Row]]:
    """Neighbours of one bucket (`floor(t / step)`) each, once nothing more can come to it.

    The clock may have been set back: a bucket also ends where another one begins.
    """
    group: list[_Row] = []
    current = None
    for row in rows:
        bucket = row.point["t"] // step_s
        if group and bucket != current:
            yield group
            group = []
        current = bucket
        group.append(row)
    if group and current is not None and (current + 1) * step_s <= now:
        yield group
