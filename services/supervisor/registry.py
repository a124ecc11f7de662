"""All services by name, and the entry that stands for the API itself."""

import os
import time
from collections.abc import Callable, Iterator

from services.supervisor.machine import health_of
from services.supervisor.unit import Unit
from shared.config.names import resolve
from shared.config.services import ServiceBlock
from shared.models.service import RestartStats, ServiceState
from shared.states import Desired, ServiceStatus

API_KEY = "dumb_api_service"
"""The config key of the block that describes the API. It is listed, but not ours to start."""

MakeUnit = Callable[[ServiceBlock], Unit]


class Registry:
    """Knows every unit; configures them when the configuration changes."""

    def __init__(self, make_unit: MakeUnit) -> None:
        self._make_unit = make_unit
        self.units: dict[str, Unit] = {}
        self.synthetic: dict[str, ServiceState] = {}

    def configure(self, blocks: list[ServiceBlock]) -> list[str]:
        """Take over a new list of blocks; the names that left and have nothing running."""
        wanted = {block.process_name: block for block in blocks}
        gone = []
        for name in [n for n in self.units if n not in wanted]:
            unit = self.units[name]
            if not unit.lifecycle.alive and not unit.busy:
                del self.units[name]
                gone.append(name)
        known, self.synthetic = self.synthetic, {}
        for name, block in wanted.items():
            if block.config_key == API_KEY:
                self.synthetic[name] = known.get(name) or _api_state(block)
            elif name in self.units:
                self.units[name].lifecycle.configure(block)
            else:
                self.units[name] = self._make_unit(block)
        return gone

    def adopt_stray(self, block: ServiceBlock) -> None:
        """Manage a service that is in no configuration any more but still runs."""
        self.units[block.process_name] = self._make_unit(block)

    def states(self) -> Iterator[ServiceState]:
        """Every published state."""
        for unit in self.units.values():
            yield unit.state
        yield from self.synthetic.values()

    def find(self, name: str) -> str:
        """The one process name that fits, exactly or loosely.

        Raises:
            UnknownServiceError, AmbiguousServiceError: none or several do.
        """
        if name in self.units:
            return name
        return resolve([*self.units, *self.synthetic], name)


def _api_state(block: ServiceBlock) -> ServiceState:
    """The API as clients know it from the original: a running service with a pid that exists."""
    now = time.time()
    return ServiceState(
        process_name=block.process_name,
        status=ServiceStatus.RUNNING,
        desired=Desired.UP,
        generation=1,
        pid=os.getpid(),
        started_at=now,
        ready_at=now,
        enabled=True,
        config_key=block.config_key,
        restart=RestartStats(readiness_state="ready", ready_at=now),
        **health_of(ServiceStatus.RUNNING, ()),
    )
