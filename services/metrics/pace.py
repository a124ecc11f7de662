"""How often to sample. Pure."""

from enum import IntEnum
from typing import Final


class Demand(IntEnum):
    """Who listens: nobody, somebody, somebody in a hurry."""

    NONE = 0
    LIVE = 1
    FAST = 2


INTERVAL_S: Final = {Demand.NONE: 5.0, Demand.LIVE: 2.0, Demand.FAST: 0.5}
"""Between two samples. Without listeners as well: `GET /metrics` shows the last one."""
LOOK_S: Final = 1.0
"""How often to look whether somebody began to listen."""
AFTER_CHANGE_S: Final = 0.2
"""A service got another pid: the next sample comes so soon after the last one, at the earliest."""


def sample_interval(demand: Demand, history_s: float | None) -> float:
    """Seconds between two samples. `history_s`: None while no history is kept."""
    live = INTERVAL_S[demand]
    return live if history_s is None else min(live, history_s)
