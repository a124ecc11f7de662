"""Everything outside a service that its life touches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from services.supervisor.capture import Capture
from services.supervisor.journal import Journal
from services.supervisor.logs import LogFeed, LogShelf
from services.supervisor.outbox import Outbox
from services.supervisor.spawn import Surroundings
from shared.config.services import ServiceBlock
from shared.errors import DumbError
from shared.models.service import ServiceState

Tell = Callable[[str], None]
"""Takes what is waited for, whenever that is another thing than before."""


class HeldError(DumbError):
    """A service that this one needs will not come: it waits until somebody starts that one."""

    code = "held"

    def __init__(self, what: str) -> None:
        super().__init__(f"It waits for {what}.")
        self.what = what


class Others(Protocol):
    """The rest of the fleet, as one service sees it."""

    async def admit(self, service: ServiceBlock, tell: Tell, *, pull: bool) -> None:
        """Return when the service may be spawned. `pull`: start what it needs.

        Raises:
            HeldError: something that it needs is down, and nobody is about to start it.
            LaunchError: its block cannot work, the sentence says why.
        """

    def changed(self, before: ServiceState, after: ServiceState) -> None:
        """The state of a service changed."""

    def rested(self, name: str) -> None:
        """A request for the service `name` has its outcome."""

    def users_of(self, name: str) -> list[str]:
        """Services that run, or wait, and need the one of that name."""


class Nobody:
    """A service that is alone in the world."""

    async def admit(self, _service: ServiceBlock, _tell: Tell, *, pull: bool) -> None:
        """Nothing to wait for."""

    def changed(self, _before: ServiceState, _after: ServiceState) -> None:
        """Nobody to tell."""

    def rested(self, _name: str) -> None:
        """Nobody to tell."""

    def users_of(self, _name: str) -> list[str]:
        """Nobody needs it."""
        return []


@dataclass(frozen=True, slots=True)
class Effects:
    """Handed to each `Lifecycle`."""

    journal: Journal
    outbox: Outbox
    shelf: LogShelf
    run_dir: Path
    surroundings: Callable[[], Surroundings]
    throttle: Callable[[Capture, LogFeed], None]
    """Called after output was appended; pauses a capture that is too far ahead of Redis."""
    others: Others = field(default_factory=Nobody)
