"""Ports for services that are about to be enabled (contract lifecycle.md 8, "Port shifting")."""

from collections.abc import Iterable

from services.supervisor.core.errors import PlanError
from services.supervisor.ports import HIGHEST, Free
from services.supervisor.spawn import configured_ports
from shared.config.services import ServiceBlock


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
        for port in range(wanted, HIGHEST + 1):
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
            for port in configured_ports(service.block):
                owners.setdefault(port, service.process_name)
    return owners
