"""Which request wins when several meet at one service. Pure: the latest intent counts.

A stop cancels every start and restart before it, running or queued. An equal request joins the
one in flight and shares its outcome. Anything else waits its turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.models.command import Action


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a new request."""

    cancel_current: bool = False
    keep_queued: int = 0
    """How many of the queued requests stay, from the front; the rest is cancelled."""
    join_current: bool = False
    join_queued: bool = False
    """Join the last of the queued requests that stay."""


def decide(current: Action | None, queued: Sequence[Action], new: Action) -> Decision:
    """Place `new` behind `current` (in flight) and `queued` (in order)."""
    if new is not Action.STOP:
        joins_queued = bool(queued) and queued[-1] is new
        joins_current = not queued and current is new
        return Decision(
            keep_queued=len(queued), join_current=joins_current, join_queued=joins_queued
        )
    # A stop dropped everything before it, so one that still waits stands in front: what is in
    # flight is being cancelled, or nothing has begun yet (two stops in one read).
    if queued and queued[0] is Action.STOP:
        return Decision(keep_queued=1, join_queued=True)
    if current is Action.STOP:
        return Decision(keep_queued=0, join_current=True)
    return Decision(cancel_current=current is not None, keep_queued=0)
