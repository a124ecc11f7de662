"""Which services there are and which fields each of them has (contract config.md 2 and 10)."""

from collections.abc import Mapping
from typing import Final

GROUPS: Final[dict[str, str]] = {
    "B": "enabled process_name suppress_logging",
    "L": "log_level",
    "G": "repo_owner repo_name",
    "V": "release_version_enabled release_version",
    "S": "commit_sha branch_enabled branch",
    "A": "auto_update auto_update_mode auto_update_interval auto_update_start_time",
    "C": "clear_on_update exclude_dirs platforms",
    "R": "command config_dir",
    "E": "env",
    "Y": "symlink_backup_enabled symlink_backup_interval symlink_backup_start_time "
    "symlink_backup_path symlink_backup_include_broken symlink_backup_retention_count "
    "symlink_backup_roots",
    "F": "config_file",
    "O": "log_file",
    "P": "port",
}
_ARR: Final = "core_service postgres_enabled postgres_main_db postgres_log_db pinned_version"

_SINGLETONS: Final[dict[str, tuple[str, str]]] = {
    "traefik": ("BLRFOP", "pinned_version access_log_file entrypoints"),
    "traefik_proxy_admin": ("BLGVSACREOP", "wait_for_tcp"),
    "authelia": (
        "BLGVAREFOP",
        (
            "install_dir public_url cookie_domain default_redirection_url authorization_policy "
            "notifier wait_for_tcp"
        ),
    ),
    "cloudflared": ("BLAREO", "pinned_version tunnel_token"),
    "cli_debrid": ("BLGVSACREYFOP", ""),
    "cli_battery": ("BLREFOP", "platforms"),
    "decypharr": ("BLGVSAREYFOP", "clear_on_update exclude_dirs mount_type mount_path api_keys"),
    "infinidysk": (
        "BLGVSACREYO",
        "frontend_port backend_port webdav_port postgres_enabled postgres_database webdav_password",
    ),
    "emby": ("BLGVAREFOP", "use_system_ffmpeg"),
    "jellyfin": ("BLAREFOP", "pinned_version"),
    "phalanx_db": ("BLGVSACREOP", ""),
    "plex": ("BLAREFOP", "pinned_version plex_claim friendly_name dbrepair"),
    "tautulli": ("BLGVSACREFOP", ""),
    "bazarr": ("BLGVACREFOP", "postgres_enabled postgres_database"),
    "pulsarr": ("BLGVSACREOP", "postgres_enabled postgres_database"),
    "maintainerr": ("BLGVSACREOP", ""),
    "aiostreams": ("BLVAREOP", "base_url auth_username auth_password secret_key database_uri"),
    "mediastorm": ("BLGVAREOP", "wait_for_tcp"),
    "altmount": (
        "BLGAREFOP",
        "postgres_enabled postgres_database pinned_version mount_type metadata_dir mount_path",
    ),
    "postgres": (
        "BLREFOP",
        "host databases initdb_args user password shared_buffers max_connections run_directory",
    ),
    "pgadmin": ("BLRFOP", "default_server setup_email setup_password"),
    "riven_backend": ("BLGVSACREYFOP", "host symlink_library_path env_copy wait_for_dir"),
    "riven_frontend": ("BLGVSACREOP", "host origin"),
    "zilean": ("BLGVSACREFOP", "host env_copy"),
}

_INSTANCES: Final[dict[str, tuple[str, str]]] = {
    "lidarr": ("BLGVACREFOP", f"{_ARR} use_neutarr"),
    "neutarr": ("BLGVSACREFOP", "core_service"),
    "profilarr": ("BLGVSACREOP", "core_service"),
    "seerr": ("BLGVSACREFOP", "postgres_enabled postgres_database sync_role core_service"),
    "prowlarr": ("BLGVACREFOP", _ARR),
    "rclone": (
        "BLRFOE",
        (
            "core_service key_type zurg_enabled decypharr_enabled mount_dir mount_name cache_dir "
            "zurg_config_file api_key username password customer_id"
        ),
    ),
    "radarr": ("BLGVACREFOP", f"{_ARR} use_neutarr use_profilarr"),
    "sonarr": ("BLGVACREFOP", f"{_ARR} use_neutarr use_profilarr"),
    "whisparr": ("BLGVACREFOP", f"{_ARR} use_neutarr"),
    "whisparr-v3": ("BLGVACREFOP", f"{_ARR} use_neutarr"),
    "readarr": ("BLGVACREFOP", f"{_ARR} use_neutarr"),
    "zurg": (
        "BLGVAREFOP",
        "core_service host clear_on_update exclude_dirs key_type user password api_key",
    ),
}

_OWN: Final[dict[str, tuple[str, str]]] = {
    "dumb_api_service": ("BLP", "host"),
    "dumb_frontend": ("BLGVSACREFOP", "host origins"),
}

OURS: Final = (
    "host port env puid pgid stop_signal stop_attempts stop_wait start_window start_timeout "
    "wait_for_dir wait_for_mounts wait_for_tcp wait_for_url env_copy core_service core_services "
    "wait_timeout depends_on health restart expected_exit on_dependency_restart schedule "
    "frontend_port backend_port webdav_port log_file config_file suppress_logging"
)
"""Fields that this program understands in any service."""

GLOBALS: Final = ("puid", "pgid", "tz", "data_root", "dumb", "seerr_sync")

OLD_NAMES: Final = {"nzbdav": "infinidysk", "huntarr": "neutarr"}
"""What root keys were called once."""


def _fields(groups: str, extra: str) -> tuple[str, ...]:
    named = " ".join(GROUPS[group] for group in groups)
    return tuple(dict.fromkeys(f"{named} {extra} {OURS}".split()))


def _expanded(table: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    return {key: _fields(*row) for key, row in table.items()}


SINGLETONS: Final = _expanded(_SINGLETONS)
"""Fields by config key."""

MULTIPLE: Final = _expanded(_INSTANCES)
"""The same for services that have `instances`."""

OWN: Final = _expanded(_OWN)
"""The same for the blocks of this program itself, below `dumb`."""


def known_fields(config_key: str) -> tuple[str, ...]:
    """The fields of a service; those of any service for one that is not in the catalogue."""
    for table in (SINGLETONS, MULTIPLE, OWN):
        if config_key in table:
            return table[config_key]
    return _fields("BLGVSACREYFOP", "pinned_version")


def is_root_key(key: str) -> bool:
    """Whether a root key is known although the file may lack it."""
    return key in GLOBALS or key in SINGLETONS or key in MULTIPLE
