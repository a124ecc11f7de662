"""How long to wait before a program that died is started again. Pure."""

from typing import Final

FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0
STABLE_S: Final = 10.0
"""Alive for this long, and the next death counts as the first."""


def next_delay(last_delay: float, alive_for: float) -> float:
    """Seconds to wait now, after a life of `alive_for` that followed a wait of `last_delay`."""
    if last_delay == 0 or alive_for >= STABLE_S:
        return FIRST_S
    return min(LONGEST_S, last_delay * 2)
