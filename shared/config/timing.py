"""How long a start or a stop of a service may take, by its block (contract lifecycle 4).

The API waits as long as the supervisor may work, so both read the same numbers.
"""

from typing import Final

from shared.config.services import ServiceBlock

STOP_POLICIES: Final[dict[str, tuple[int, float]]] = {
    **dict.fromkeys(("plex", "jellyfin", "emby", "postgres"), (6, 15.0)),
    **dict.fromkeys(("rclone", "decypharr", "infinidysk", "altmount", "zurg"), (4, 12.0)),
    "bazarr": (1, 10.0),
    "cli_debrid": (2, 10.0),
}
"""Attempts, and seconds to wait after each, by config key."""

DEFAULT_STOP: Final = (3, 10.0)
KILL_WAIT_S: Final = 5.0
"""How long the kernel gets to end what was killed."""

DEFAULT_START_TIMEOUT_S: Final = 120.0
DEFAULT_START_WINDOW_S: Final = 1.0
DEFAULT_WAIT_S: Final = 600.0
"""How long the addresses that a service waits for may take together (contract lifecycle 2). A
start that waits for something without a limit is answered after as long, too."""

WAIT_KEYS: Final = ("wait_for_dir", "wait_for_mounts", "wait_for_tcp", "wait_for_url")
WAITING_KEYS: Final = frozenset({"plex", "jellyfin", "emby", "prowlarr", "tautulli", "seerr"})
"""Services that wait for others by themselves (contract lifecycle 6)."""


def start_window_s(service: ServiceBlock, *, has_ports: bool) -> float:
    """Seconds that a process must live to count as started: with a port, the port decides."""
    fallback = 0.0 if has_ports else DEFAULT_START_WINDOW_S
    return _number(service, "start_window", fallback, 0, 3600)


def start_timeout_s(service: ServiceBlock) -> float:
    """Seconds that its ports have to answer."""
    return _number(service, "start_timeout", DEFAULT_START_TIMEOUT_S, 0.1, 86400)


def wait_limit_s(service: ServiceBlock) -> float | None:
    """Seconds that everything it waits for may take together; None: no such limit."""
    value = service.block.get("wait_timeout")
    return _number(service, "wait_timeout", 0, 0, 86400) or None if value is not None else None


def stop_attempts(service: ServiceBlock) -> tuple[int, float]:
    """How often it is asked to end, and the seconds to wait after each time."""
    attempts, wait_s = STOP_POLICIES.get(service.config_key, DEFAULT_STOP)
    return (
        int(_number(service, "stop_attempts", attempts, 1, 100)),
        _number(service, "stop_wait", wait_s, 0, 3600),
    )


def start_budget_s(service: ServiceBlock | None) -> float:
    """The longest that a start may take; None stands for a service of which nothing is known."""
    start = ready_budget_s(service)
    return start + (_wait_budget_s(service) if service is not None and may_wait(service) else 0)


def ready_budget_s(service: ServiceBlock | None) -> float:
    """The longest that a process may take to be ready after its spawn; None as above."""
    if service is None:
        return DEFAULT_START_WINDOW_S + DEFAULT_START_TIMEOUT_S
    return start_window_s(service, has_ports=False) + start_timeout_s(service)


def may_wait(service: ServiceBlock) -> bool:
    """Whether something outside has to be there before it is started."""
    return service.config_key in WAITING_KEYS or any(service.block.get(key) for key in WAIT_KEYS)


def _wait_budget_s(service: ServiceBlock) -> float:
    limit = wait_limit_s(service)
    return DEFAULT_WAIT_S if limit is None else limit


def stop_budget_s(service: ServiceBlock | None) -> float:
    """The longest that a stop may take: every attempt, SIGKILL, and the same for what is left."""
    attempts, wait_s = DEFAULT_STOP if service is None else stop_attempts(service)
    return attempts * wait_s + wait_s + 2 * KILL_WAIT_S


def _number(service: ServiceBlock, key: str, fallback: float, low: float, high: float) -> float:
    value = service.block.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return fallback
    return min(max(float(value), low), high)
