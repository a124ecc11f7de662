"""What becomes of running services when one that they need was started anew."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from services.supervisor.fleet.options import OnDependencyRestart, on_dependency_restart
from services.supervisor.identity import since_boot
from services.supervisor.job import DEPENDENCY, Job
from services.supervisor.unit import Unit
from shared.models.command import Action

_log = logging.getLogger(__name__)

MOST: Final = 3
WINDOW_S: Final = 300.0
"""A service follows restarts of others at most `MOST` times within so many seconds."""

Submit = Callable[[Action, Unit, str], Job]


class Followers:
    """Restarts or probes what was started before the thing that it needs.

    One at a time, without a plan for all: who is restarted waits for what it needs, as at any
    start, and is news for its own followers once it is ready. So a chain goes on in its order, and
    a service that needs two that were restarted is restarted once.
    """

    def __init__(self, submit: Submit, reprobe: Callable[[Unit], None]) -> None:
        """`reprobe` checks the health of a service now instead of at its next turn."""
        self._submit = submit
        self._reprobe = reprobe
        self._followed: dict[str, deque[float]] = {}

    def came_up(self, unit: Unit, users: Iterable[Unit]) -> None:
        """`unit` is ready; `users` are the services that need it."""
        for user in users:
            life = user.lifecycle
            if not life.alive or life.launched_at >= unit.lifecycle.launched_at:
                continue  # it was started upon this very run
            wish = on_dependency_restart(life.service.block)
            if wish is OnDependencyRestart.RESTART and self._may_follow(user.name):
                _log.info("restarting %s: %s was started anew", user.name, unit.name)
                self._submit(Action.RESTART, user, DEPENDENCY)
            elif wish is not OnDependencyRestart.IGNORE:
                self._reprobe(user)

    def _may_follow(self, name: str) -> bool:
        now = since_boot()
        followed = self._followed.setdefault(name, deque(maxlen=MOST))
        if len(followed) == MOST and now - followed[0] < WINDOW_S:
            _log.error(
                "%s is not restarted with what it needs: %d times within %.0f s is enough",
                name, MOST, WINDOW_S,
            )  # fmt: skip
            return False
        followed.append(now)
        return True
