"""Who may ask for what. Everything that is not named here is for administrators."""

from dataclasses import dataclass
from typing import Final

from shared.models.account import Role

EXEMPT: Final = frozenset(
    {
        ("POST", "/auth/login"),
        ("POST", "/auth/refresh"),
        ("POST", "/auth/verify"),
        ("GET", "/auth/status"),
        ("POST", "/auth/setup"),
        ("POST", "/auth/skip-setup"),
        ("GET", "/health"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/docs"),
        ("GET", "/scalar"),
        ("GET", "/openapi.json"),
        ("GET", "/static/{name:path}"),
    }
)
"""Never checked (contract auth.md 4). Method and the path as its route has it."""

OPEN: Final = frozenset(
    {
        ("GET", "/auth/status"),
        ("GET", "/health"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/docs"),
        ("GET", "/scalar"),
        ("GET", "/openapi.json"),
        ("GET", "/static/{name:path}"),
    }
)
"""Those of `EXEMPT` that answer without a setup code too: probes and pages, no accounts."""

TELLING: Final = frozenset({("GET", "/health")})
"""Those of `OPEN` whose answers name what runs here."""

SOCKET: Final = "WEBSOCKET"

NEEDED: Final[dict[tuple[str, str], Role]] = {
    ("GET", "/process"): Role.VIEWER,
    ("GET", "/process/processes"): Role.VIEWER,
    ("GET", "/process/capabilities"): Role.VIEWER,
    ("GET", "/process/update-notices"): Role.VIEWER,
    ("GET", "/process/update-status"): Role.VIEWER,
    ("POST", "/process/update-check"): Role.OPERATOR,
    ("POST", "/process/update-install"): Role.OPERATOR,
    ("POST", "/process/auto-update/reschedule"): Role.OPERATOR,
    ("GET", "/process/service-status"): Role.VIEWER,
    ("GET", "/process/core-services"): Role.VIEWER,
    ("GET", "/process/runtime-log-level"): Role.VIEWER,
    ("GET", "/process/optional-services"): Role.VIEWER,
    ("GET", "/process/states"): Role.VIEWER,
    ("GET", "/process/commands"): Role.VIEWER,
    ("GET", "/process/commands/{command_id}"): Role.VIEWER,
    ("POST", "/process/start-service"): Role.OPERATOR,
    ("POST", "/process/stop-service"): Role.OPERATOR,
    ("POST", "/process/restart-service"): Role.OPERATOR,
    ("POST", "/process/reset-restart-state"): Role.OPERATOR,
    ("POST", "/process/actions"): Role.OPERATOR,
    ("POST", "/process/commands/{command_id}/cancel"): Role.OPERATOR,
    ("GET", "/config"): Role.VIEWER,
    ("POST", "/config"): Role.VIEWER,  # dumb.ui alone: the route sees to that
    ("GET", "/config/schema"): Role.VIEWER,
    ("POST", "/config/process-config/schema"): Role.VIEWER,
    ("GET", "/config/service-ui"): Role.VIEWER,
    ("GET", "/config/service-ui-map"): Role.VIEWER,
    ("GET", "/config/versions"): Role.VIEWER,
    ("GET", "/config/onboarding-status"): Role.VIEWER,
    ("GET", "/logs"): Role.VIEWER,
    ("GET", "/jobs"): Role.VIEWER,
    ("GET", "/jobs/{job_id}"): Role.VIEWER,
    ("POST", "/jobs/{job_id}/cancel"): Role.OPERATOR,
    ("POST", "/jobs/{job_id}/retry"): Role.OPERATOR,
    ("GET", "/seerr-sync/status"): Role.VIEWER,
    ("GET", "/seerr-sync/failed"): Role.VIEWER,
    ("GET", "/seerr-sync/state"): Role.VIEWER,
    ("DELETE", "/seerr-sync/failed"): Role.OPERATOR,
    ("POST", "/seerr-sync/run"): Role.OPERATOR,
    ("GET", "/seerr-sync/plan"): Role.OPERATOR,
    ("GET", "/auth/me"): Role.VIEWER,
    ("GET", "/auth/provider"): Role.VIEWER,
    ("POST", "/auth/logout"): Role.VIEWER,
    ("GET", "/auth/tokens"): Role.VIEWER,
    ("POST", "/auth/tokens"): Role.VIEWER,
    ("DELETE", "/auth/tokens/{token_id}"): Role.VIEWER,
    ("PUT", "/auth/users/{username}/password"): Role.VIEWER,
    (SOCKET, "/ws/logs"): Role.VIEWER,
    (SOCKET, "/ws/status"): Role.VIEWER,
    ("GET", "/metrics"): Role.VIEWER,
    ("GET", "/metrics/filesystems"): Role.VIEWER,
    ("GET", "/metrics/network-interfaces"): Role.VIEWER,
    ("GET", "/metrics/database-health"): Role.VIEWER,
    ("GET", "/metrics/plex-status"): Role.VIEWER,
    ("GET", "/metrics/history"): Role.VIEWER,
    ("GET", "/metrics/history_series"): Role.VIEWER,
    ("GET", "/metrics/history/storage"): Role.VIEWER,
    ("GET", "/metrics/prometheus"): Role.VIEWER,
    (SOCKET, "/ws/metrics"): Role.VIEWER,
}
"""The least role. Configuration is masked for all but administrators; one's own tokens and
password are for oneself, and the routes see to that."""


@dataclass(frozen=True, slots=True)
class Door:
    """What a route requires of a caller.

    `role`: the least one, None for every caller. `code`: the setup code, while there is one and no
    account. `quiet`: the answer tells nothing about this machine, and changes nothing.
    """

    role: Role | None
    code: bool = True
    quiet: bool = False


PREFLIGHT: Final = Door(None, code=False, quiet=True)
"""A browser asks whether its page may ask (CORS)."""

NOWHERE: Final = Door(Role.VIEWER)
"""A path or method without a route: a caller who may read anything gets the 404 or 405."""


def door_of(method: str, path: str) -> Door:
    """Of the route for `method` (`SOCKET` for sockets) with the path as the route has it."""
    asked = (method, path)
    if asked in EXEMPT:
        is_open = asked in OPEN
        return Door(None, code=not is_open, quiet=is_open and asked not in TELLING)
    return Door(NEEDED.get(asked, Role.ADMIN))
