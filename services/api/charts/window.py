"""How much of the past, and how coarsely (contract rest.md 7). Pure."""

import math
from dataclasses import dataclass
from typing import Final

DEFAULT_S: Final = 6 * 3600.0
MIN_BUCKET_S: Final = 5
LARGEST: Final = 1 << 53
"""Of whole numbers: beyond it neither JSON nor Redis has them."""
LATEST_S: Final = float(1 << 40)
"""Of times: in milliseconds it is still a number that Redis has. The year 36812."""


@dataclass(frozen=True, slots=True)
class Window:
    """`since` in epoch seconds; `limit` 0: all rows; `bucket_s` None: every row."""

    since: float
    limit: int
    bucket_s: int | None = None
    max_points: int = 0

    @property
    def since_ms(self) -> int:
        return int(self.since * 1000)


def window_of(
    now: float,
    *,
    since: float | None = None,
    full: bool = False,
    limit: int = 5000,
    bucket_s: int | None = None,
    max_points: int = 600,
    length_s: float | None = None,
) -> Window:
    """What a request means. No number is refused; each is brought into range before it is used.

    Args:
        length_s: the length of the window where it is not `now - since`.
    """
    given = min(max(bucket_s, 0), LARGEST) if bucket_s is not None else None
    rows, points = (min(max(number, 0), LARGEST) for number in (limit, max_points))
    if since is None and full:
        return Window(0.0, rows, given, points)
    begin = min(max(now - DEFAULT_S if since is None else since, 0.0), LATEST_S)
    length = now - begin if length_s is None else length_s
    return Window(begin, rows, _bucket(given, length, points), points)


def _bucket(given: int | None, length_s: float, max_points: int) -> int | None:
    """At least what makes `max_points` of the window suffice; 0 or less: no such demand."""
    wanted = given if given is not None and given > 0 else None
    if max_points <= 0:
        return wanted
    automatic = max(MIN_BUCKET_S, math.ceil(length_s / max_points))
    return automatic if wanted is None else max(wanted, automatic)


def choose(times: list[float], bucket_s: int | None, max_points: int) -> list[int]:
    """Which rows are shown: of each bucket the last, then every n-th and the very last."""
    if bucket_s is None or bucket_s <= 0:
        chosen = list(range(len(times)))
    else:
        chosen = list({time // bucket_s: index for index, time in enumerate(times)}.values())
    if 0 < max_points < len(chosen):
        step = math.ceil(len(chosen) / max_points)
        thinned = chosen[::step]
        if thinned[-1] != chosen[-1]:
            thinned.append(chosen[-1])
        return thinned
    return chosen
