"""Ports before a boot: who has which, and who has to move (contract lifecycle.md 6).

A port moves only where the service follows: its `command` or `env` names the field as a
placeholder. What keeps its port in a file of its own would go on listening where it did
(docs/decisions/0010).
"""

import errno
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.supervisor.spawn import PORT_KEYS
from shared.config.services import ServiceBlock

HIGHEST: Final = 65535

Free = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Move:
    """A field of a service gets another port."""

    process_name: str
    path: tuple[str, ...]
    old: int
    new: int
    why: str


def free(port: int) -> bool:
    """Whether nobody listens there: a bind on either loopback succeeds."""
    return all(
        _can_bind(family, host, port)
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    )


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
    except OSError as error:
        return error.errno not in {errno.EADDRINUSE, errno.EACCES}  # else: no such protocol here
    return True


def moves(
    services: Iterable[ServiceBlock], holding: frozenset[str], is_free: Free = free
) -> list[Move]:
    """Which ports have to change before the enabled services are started, in the file's order.

    Args:
        holding: services that run, or whose remains do, and the API: they keep what they have.
        is_free: asked for each port that is about to be claimed.
    """
    enabled = [s for s in services if s.enabled or s.process_name in holding]
    board = _Board(is_free)
    for service in enabled:
        if service.process_name in holding:
            for _key, port in _ports(service):
                board.claim(service, port)
    found: list[Move] = []
    for service in enabled:
        if service.process_name not in holding:
            found += _claim(service, board)
    return found


class _Board:
    """Which port belongs to whom."""

    def __init__(self, is_free: Free) -> None:
        self._is_free = is_free
        self._claimed: dict[int, str] = {}

    def claim(self, service: ServiceBlock, port: int) -> None:
        """Note who has it, unless somebody had it before."""
        for one in _span(service, port):
            self._claimed.setdefault(one, service.process_name)

    def trouble(self, service: ServiceBlock, port: int) -> str:
        """Why the service cannot have it, "" when it can."""
        for one in _span(service, port):
            if one in self._claimed:
                return f"belongs to '{self._claimed[one]}'"
            if not self._is_free(one):
                return "is taken by another program"
        return ""


def _claim(service: ServiceBlock, board: _Board) -> Iterator[Move]:
    for key, port in _ports(service):
        why = board.trouble(service, port)
        if not why:
            board.claim(service, port)
        elif _follows(service, key):
            higher = range(port + 1, HIGHEST)
            new = next((p for p in higher if not board.trouble(service, p)), None)
            if new is not None:
                board.claim(service, new)
                yield Move(service.process_name, (*service.path, key), port, new, why)


def _span(service: ServiceBlock, port: int) -> range:
    """Traefik's dashboard takes the next one, too."""
    return range(port, port + (2 if service.config_key == "traefik" else 1))


def _ports(service: ServiceBlock) -> Iterator[tuple[str, int]]:
    for key in PORT_KEYS:
        port: Any = service.block.get(key)
        if type(port) is int and 0 < port <= HIGHEST:
            yield key, port


def _follows(service: ServiceBlock, key: str) -> bool:
    """Whether the process is told its port at the start."""
    return f"{{{key}}}" in str([service.block.get("command"), service.block.get("env")])


def updates_of(found: Iterable[Move]) -> dict[str, Any]:
    """The moves as `updates` of a global change of the configuration."""
    tree: dict[str, Any] = {}
    for move in found:
        at = tree
        for step in move.path[:-1]:
            at = at.setdefault(step, {})
        at[move.path[-1]] = move.new
    return tree
