"""Service states: the names, the allowed transitions and the sets that others ask for."""

from enum import StrEnum
from typing import Final


class ServiceStatus(StrEnum):
    """Where a service is. The value is what `dumb:service:<name>` holds in `status`."""

    STOPPED = "stopped"
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    EXITED = "exited"
    FAILED = "failed"


class Desired(StrEnum):
    """What a person last asked for; kept apart from what is."""

    UP = "up"
    DOWN = "down"


_S = ServiceStatus

TRANSITIONS: Final[dict[ServiceStatus, frozenset[ServiceStatus]]] = {
    _S.STOPPED: frozenset({_S.WAITING, _S.STARTING, _S.FAILED}),
    _S.WAITING: frozenset({_S.STARTING, _S.STOPPED, _S.FAILED}),
    _S.STARTING: frozenset({_S.RUNNING, _S.STOPPING, _S.EXITED, _S.FAILED}),
    _S.RUNNING: frozenset({_S.STOPPING, _S.EXITED, _S.FAILED}),
    _S.STOPPING: frozenset({_S.STOPPED, _S.FAILED}),
    _S.EXITED: frozenset({_S.WAITING, _S.STARTING, _S.STOPPED, _S.FAILED}),
    _S.FAILED: frozenset({_S.WAITING, _S.STARTING, _S.STOPPED, _S.EXITED}),
}
"""Allowed changes of status. `failed` from `stopping`: the process could not be killed."""

ALIVE: Final = frozenset({_S.STARTING, _S.RUNNING, _S.STOPPING})
"""States in which a process of the service exists."""
