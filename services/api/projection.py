"""What a replica remembers of all services: levels, fed by events, corrected by reads."""

from collections.abc import Callable
from enum import Enum

from shared.models.service import ServiceState

StateListener = Callable[[str, ServiceState | None], None]
"""Called with a process name and its new state; None when the service is no longer published."""


class Verdict(Enum):
    """What an event was, by its `seq`."""

    NEXT = "next"
    GAP = "gap"
    OLD = "old"


class Projection:
    """All published services. Pure: the caller reads Redis.

    A read takes time, and events arrive meanwhile. `begin_read` remembers from when on events
    count as newer than what the read may bring; the merge then keeps the higher `seq` of the two.
    Without such an event the read wins, even with a lower `seq` (Redis or the journal was reset).
    """

    def __init__(self) -> None:
        self.states: dict[str, ServiceState] = {}
        self._during_read: dict[str, ServiceState] = {}

    def apply(self, event: ServiceState) -> Verdict:
        """Take an event. `GAP` and `OLD` ask for a read of that service's hash."""
        name = event.process_name
        known = self.states.get(name)
        if known is not None and event.seq <= known.seq:
            return Verdict.OLD
        self.states[name] = event
        self._during_read[name] = event
        return Verdict.NEXT if known is None or event.seq == known.seq + 1 else Verdict.GAP

    def begin_read(self) -> None:
        """A read starts now: events from here on may be newer than its result."""
        self._during_read = {}

    def merge_all(self, read: dict[str, ServiceState]) -> list[str]:
        """Take the result of a read of every service. Returns the names that changed."""
        merged = dict(read)
        for name, event in self._during_read.items():
            found = merged.get(name)
            if found is None or found.seq < event.seq:
                merged[name] = event
        names = sorted(merged.keys() | self.states.keys())
        changed = [name for name in names if merged.get(name) != self.states.get(name)]
        self.states = merged
        return changed

    def merge_one(self, name: str, found: ServiceState | None) -> bool:
        """Take the result of reading one hash (None: it is gone). Returns whether it changed."""
        event = self._during_read.get(name)
        if event is not None and (found is None or found.seq < event.seq):
            return False
        changed = self.states.get(name) != found
        if found is None:
            self.states.pop(name, None)
        else:
            self.states[name] = found
        return changed
