"""Parts of a snapshot for features that are not built (contract websocket.md 4.4)."""

from typing import Any, Final

DATABASE_HEALTH: Final[dict[str, Any]] = {
    "enabled": False,
    "interval_sec": 60,
    "supported_count": 0,
    "monitored_count": 0,
    "pressure_counts": {},
    "services": [],
}
PLEX_STATUS: Final[dict[str, Any]] = {
    "enabled": False,
    "available": False,
    "stale": False,
    "indicator": "disabled",
    "description": "The status of Plex is not watched.",
    "source_url": "https://status.plex.tv",
    "interval_sec": 300,
}
