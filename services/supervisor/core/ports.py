"""Ports for services that are about to be enabled (contract lifecycle.md 8, "Port shifting")."""

from collections.abc import Callable, Iterable

from services.supervisor.core.errors import PlanError
from shared.config.services import Block, ServiceBlock

FIELDS = ("port", "frontend_port", "backend_port", "webdav_port")
LAST = 65535

Free = Callable[[int], bool]
"""Whether nobody listens on a port of this machine."""


class Ports:
    """Who has which port: what is enabled, and what was given out since."""

    def __init__(self, owners: dict[int, str], free: Free) -> None:
        self._owners = owners
        self._free = free

    def copy(self) -> "Ports":
        """For an attempt that may come to nothing."""
        return Ports(dict(self._owners), self._free)

    def claim(self, owner: str, wanted: int, kept: frozenset[int]) -> int:
        """The wanted port, else the next free one above. `kept`: those it listens on already.

        Raises:
            PlanError: there is none.
        """
        for port in range(wanted, LAST + 1):
            if self._owners.get(port, owner) != owner:
                continue
            if port in kept or self._free(port):
                self._owners[port] = owner
                return port
        raise PlanError(f"No port from {wanted} on is free.")


def reserved(services: Iterable[ServiceBlock]) -> dict[int, str]:
    """The ports of everything that is enabled; the first one in the file has the better right."""
    owners: dict[int, str] = {}
    for service in services:
        if service.enabled or service.path[:1] == ("dumb",):
            for port in ports_of(service.block):
                owners.setdefault(port, service.process_name)
    return owners


def ports_of(block: Block) -> frozenset[int]:
    """The ports that a block names."""
    return frozenset(block[field] for field in FIELDS if type(block.get(field)) is int)
