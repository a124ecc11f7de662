"""What people call the services, and what they may type (contract config.md 9 and 10)."""

from typing import Final

CORE_LABELS: Final[dict[str, str]] = {
    "plex": "Plex Media Server",
    "jellyfin": "Jellyfin Media Server",
    "emby": "Emby Media Server",
    "cli_debrid": "CLID",
    "decypharr": "Decypharr",
    "infinidysk": "InfiniDysk",
    "altmount": "AltMount",
    "riven_backend": "Riven",
    "radarr": "Radarr",
    "sonarr": "Sonarr",
    "lidarr": "Lidarr",
    "prowlarr": "Prowlarr",
    "whisparr": "Whisparr",
    "seerr": "Seerr",
    "neutarr": "NeutArr",
    "profilarr": "Profilarr",
}
"""The core services, in the order in which they are offered."""

OPTIONAL_LABELS: Final[dict[str, str]] = {
    "zilean": "Zilean",
    "pgadmin": "PgAdmin",
    "postgres": "Postgres",
    "riven_frontend": "Riven Frontend",
    "tautulli": "Tautulli",
    "bazarr": "Bazarr",
    "pulsarr": "Pulsarr",
    "maintainerr": "Maintainerr",
    "aiostreams": "AIOStreams",
    "mediastorm": "mediastorm",
    "traefik_proxy_admin": "Traefik Proxy Admin",
    "authelia": "Authelia",
    "cloudflared": "Cloudflared",
}
"""The optional services, in the order in which they are offered."""

_OTHER_LABELS: Final[dict[str, str]] = {
    "dumb_api_service": "DUMB API",
    "dumb_frontend": "DUMB Frontend",
    "traefik": "Traefik",
    "cli_battery": "CLI Battery",
    "phalanx_db": "Phalanx DB",
    "pgadmin": "pgAdmin",
    "postgres": "PostgreSQL",
    "rclone": "rclone",
    "zurg": "Zurg",
}

LABELS: Final[dict[str, str]] = {**CORE_LABELS, **OPTIONAL_LABELS, **_OTHER_LABELS}
"""By config key. In lists of optional services two of them have another one."""

_KEYS: Final[dict[str, str]] = {
    **{label.lower(): key for key, label in OPTIONAL_LABELS.items()},
    **{label.lower(): key for key, label in LABELS.items()},
    "nzbdav": "infinidysk",
    "huntarr": "neutarr",
}


def label_of(config_key: str) -> str:
    """The label of a service, made from its key when it is not a known one."""
    return LABELS.get(config_key) or config_key.replace("_", " ").title()


def key_of(text: str) -> str:
    """The config key that a key, an old key or a label stands for; anything else as it is."""
    wanted = text.strip()
    return _KEYS.get(wanted.lower(), wanted.lower() if wanted.lower() in LABELS else wanted)
