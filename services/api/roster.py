"""The connections of one replica: how many there may be, and who goes when there are too many."""

import resource
from contextlib import suppress
from enum import IntEnum
from typing import Final, Protocol

MAX_CONNECTIONS: Final = 4096
"""More cost memory, and no stack of services needs them."""
RESERVED: Final = 256
"""Descriptors for Redis, log sockets and files."""


class Rank(IntEnum):
    """Who goes first. `KEPT` does not go."""

    SILENT = 0
    """No request is known to be admitted, and the client has to send something."""
    IDLE = 1
    """Had an admitted request, has none now."""
    ANSWERED = 2
    """A request that needs no token is being answered."""
    KEPT = 3
    """An admitted request is in progress, or an admitted WebSocket is open."""


class Member(Protocol):
    """One connection, as its protocol shows it."""

    def rank(self) -> Rank: ...
    def evict(self) -> None: ...
    def check(self, now: float, /) -> None:
        """End the connection if the client is too slow. `now`: the loop's time in seconds."""


class Roster:
    """Connections from the oldest to the newest."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self._members: dict[Member, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def enter(self, member: Member) -> bool:
        """Add a connection, at the cost of another one if need be; whether there was room."""
        if len(self._members) >= self.cap:
            victim = self._victim()
            if victim is None:
                return False
            self.leave(victim)
            victim.evict()
        self._members[member] = None
        return True

    def leave(self, member: Member) -> None:
        """Forget a connection; one that is not there is fine."""
        self._members.pop(member, None)

    def check(self, now: float) -> None:
        """End the connections whose clients are too slow."""
        for member in list(self._members):
            member.check(now)

    def _victim(self) -> Member | None:
        found, lowest = None, Rank.KEPT
        for member in self._members:
            rank = member.rank()
            if rank is Rank.SILENT:
                return member
            if rank < lowest:
                found, lowest = member, rank
        return found


def raise_descriptor_limit() -> None:
    """Set the soft limit of descriptors to the hard one. Processes started later inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # refused by a sandbox: the old limit stays
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connection_cap() -> int:
    """How many connections this process may hold under its limit of descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, max(soft - RESERVED, soft // 2)))
