"""How known services say that they are well (contract lifecycle.md 9): a table of facts."""

from dataclasses import dataclass
from typing import Final

PORT: Final = "port"


@dataclass(frozen=True, slots=True)
class Application:
    """A GET of `path` on the port that stands in the block's field `port_key`."""

    path: str
    port_key: str = PORT
    contains: str = ""
    json_field: str = ""


APPLICATIONS: Final[dict[str, Application]] = {
    **dict.fromkeys(
        ("sonarr", "radarr", "lidarr", "prowlarr", "whisparr", "whisparr-v3", "readarr"),
        Application("/ping"),
    ),
    "infinidysk": Application("/health", port_key="backend_port"),
    **dict.fromkeys(("jellyfin", "mediastorm"), Application("/health")),
    "emby": Application("/emby/System/Ping"),
    "plex": Application("/identity", contains="<MediaContainer"),
    "seerr": Application("/api/v1/status", json_field="version"),
    "pgadmin": Application("/misc/ping"),
    **dict.fromkeys(("traefik_proxy_admin", "authelia"), Application("/api/health")),
    "aiostreams": Application("/api/v1/health", json_field="success"),
}
"""By config key. PostgreSQL and rclone are asked otherwise (checks.py)."""

TIMEOUT_S: Final = 2.5
PORT_TIMEOUT_S: Final = 1.5

RCLONE_PATH: Final = "/core/version"
RCLONE_FIELD: Final = "version"
RCLONE_ADDRESS: Final = "localhost:5572"
"""Where rclone listens for `--rc` unless told otherwise."""
