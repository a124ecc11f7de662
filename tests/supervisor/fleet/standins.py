"""Units without processes, for what only looks at many of them and asks them for something."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from services.supervisor.job import Job, internal_command
from services.supervisor.journal import Journal
from services.supervisor.outbox import Outbox
from shared.bus.keys import Keys
from shared.config.services import ServiceBlock
from shared.models.command import Action, CommandStatus
from shared.models.service import ServiceState
from shared.states import ALIVE, Desired, ServiceStatus
from tests.support.claim import NO_FENCE


@dataclass
class StandIn:
    """A unit whose state a test sets."""

    name: str
    state: ServiceState
    busy: bool = False
    launched_at: float = 0.0
    killed: bool = False
    block: dict[str, Any] = field(default_factory=dict)
    on_kill: Callable[[], None] = lambda: None

    @property
    def lifecycle(self) -> Any:
        """What others read of it."""
        service = ServiceBlock(self.name, "", "", (), self.block, enabled=True)
        return SimpleNamespace(
            alive=self.state.status in ALIVE,
            killed=self.killed,
            launched_at=self.launched_at,
            service=service,
            kill=self._kill,
        )

    def become(self, status: ServiceStatus, **fields: Any) -> None:
        """Change its state."""
        self.state = self.state.with_(status=status, **fields)

    def _kill(self) -> None:
        self.killed = True
        self.on_kill()


def stand_in(name: str, status: ServiceStatus, **fields: Any) -> StandIn:
    """One that is wanted."""
    return StandIn(name, ServiceState(name, status, Desired.UP, **fields))


class Asked:
    """Takes what is submitted, in order."""

    def __init__(self, journal: Journal) -> None:
        self.jobs: list[Job] = []
        self._journal = journal

    def __call__(self, action: Action, unit: Any, why: str) -> Job:
        """`Submit`."""
        outbox = Outbox(Keys(), list, NO_FENCE)
        self.jobs.append(Job(internal_command(action, unit.name, why), self._journal, outbox))
        return self.jobs[-1]

    @property
    def names(self) -> list[str]:
        """For whom something was asked."""
        return [job.command.process_name for job in self.jobs]

    def finish(self, name: str) -> None:
        """The last request for that service is done."""
        job = next(j for j in reversed(self.jobs) if j.command.process_name == name)
        job.finish(CommandStatus.SUCCEEDED, "")
