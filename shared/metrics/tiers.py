"""How finely the past is kept (docs/metrics.md). Pure."""

from dataclasses import dataclass
from typing import Final

HOUR_S: Final = 3600
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Tier:
    """Rows of one fineness. `step_s`: what a row stands for, 0: one sample."""

    name: str
    step_s: int
    keep_s: int

    def kept_s(self, retention_days: float) -> float:
        """How long its rows live when `dumb.metrics.history_retention_days` caps all of them."""
        return min(self.keep_s, retention_days * DAY_S)


TIERS: Final = (
    Tier("raw", 0, 6 * HOUR_S),
    Tier("1m", 60, 7 * DAY_S),
    Tier("15m", 900, 90 * DAY_S),
)
"""From fine to coarse; each is made from the one before."""


@dataclass(frozen=True, slots=True)
class Ends:
    """First and last row of a tier: ids, epoch milliseconds."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Rows of one tier, `low` and `high` included."""

    tier: int
    low: int
    high: int


def tier_for(bucket_s: int | None) -> int:
    """The coarsest tier whose rows are not coarser than a bucket of the answer."""
    if bucket_s is None:
        return 0
    return max(index for index, tier in enumerate(TIERS) if tier.step_s <= max(bucket_s, 0))


def plan_read(since_ms: int, preferred: int, ends: list[Ends | None]) -> list[Segment]:
    """Where to read everything since then, oldest first, no moment twice.

    What the preferred tier no longer has comes from coarser ones; what it does not have yet (a row
    appears when its time is over) from finer ones.
    """
    segments: list[Segment] = []
    low = since_ms
    for index in range(len(TIERS) - 1, preferred - 1, -1):
        own = ends[index]
        if own is None or own.last < low:
            continue
        firsts = [e.first for e in ends[preferred:index] if e is not None]
        high = min(firsts) - 1 if firsts else own.last
        if high >= max(low, own.first):
            segments.append(Segment(index, low, high))
            low = high + 1
    for index in range(preferred - 1, -1, -1):
        own = ends[index]
        if own is not None and own.last >= low:
            segments.append(Segment(index, low, own.last))
            low = own.last + 1
    return segments
