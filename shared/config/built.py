"""Which options of the original's configuration file do something here. Pure.

One row for every key of the original's default file. `notices.py` warns about the options that are
on and not built; docs/migrating.md lists them. A row leaves `NOT_BUILT` when its option is built.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class NotBuilt:
    """An option that is taken, kept, and has no effect.

    `means`: what does not happen, as a sentence. `gate`: the option that decides whether this one
    would count; then only the gate is warned about. `off`: values besides the empty ones that ask
    for nothing, such as the original's default of a mere setting.
    """

    means: str = ""
    gate: str = ""
    off: tuple[Any, ...] = ()

    def is_on(self, value: Any) -> bool:
        """Whether a value asks for what is not there."""
        if self.gate or any(type(value) is type(off) and value == off for off in self.off):
            return False
        if True in self.off and value is False:  # on is what happens anyway
            return True
        return value not in ("", None, 0, False) and value not in ([], {})


def _gated(gate: str, names: str) -> dict[str, NotBuilt]:
    return dict.fromkeys(names.split(), NotBuilt(gate=gate))


_SETUP: Final = "The application's own configuration is not written from it."

TOP: Final[Mapping[str, NotBuilt]] = {
    "dumb.log_name": NotBuilt("The name of the main log stays DUMB.", off=("DUMB",)),
    "dumb.log_dir": NotBuilt("Logs are written to `log` in `DUMB_HOME`.", off=("/log",)),
    "dumb.color_log": NotBuilt("The terminal decides about colors.", off=(True,)),
    "dumb.plex_token": NotBuilt("Nothing here asks Plex on its own."),
    "dumb.plex_address": NotBuilt("Nothing here asks Plex on its own."),
    "dumb.github_token": NotBuilt("Nothing here asks GitHub: updates are not built."),
    "dumb.github_username": NotBuilt("Nothing here asks GitHub: updates are not built."),
    **_gated("dumb.github_token", "dumb.github_rate_limit_max_wait_seconds"),
    "dumb.startup.readiness_poll_interval_seconds": NotBuilt(
        "Changes are noticed at once, without polling.", off=(5,)
    ),
    "dumb.install_cache.enabled": NotBuilt("Nothing is downloaded, so nothing is kept."),
    **_gated("dumb.install_cache.enabled", "dumb.install_cache"),
    "dumb.media_protection.enabled": NotBuilt(
        "A stop or restart does not check whether a media server is in use, and libraries are not "
        "protected."
    ),
    **_gated("dumb.media_protection.enabled", "dumb.media_protection"),
    "dumb.ai.enabled": NotBuilt("There are no AI diagnostics."),
    **_gated("dumb.ai.enabled", "dumb.ai"),
    "dumb.ffprobe_monitor.enabled": NotBuilt("Hanging ffprobe processes are not looked after."),
    **_gated("dumb.ffprobe_monitor.enabled", "dumb.ffprobe_monitor"),
    "dumb.metrics.history_max_file_mb": NotBuilt(
        "The history is kept in Redis; `history_max_total_mb` limits it.", off=(50,)
    ),
    "dumb.metrics.storage.provider": NotBuilt("The history is kept in Redis.", off=("sqlite",)),
    "dumb.metrics.storage.sqlite_path": NotBuilt(
        "The history is kept in Redis.", off=("/config/metrics/metrics.sqlite",)
    ),
    **_gated("dumb.metrics.storage.provider", "dumb.metrics.storage.postgresql"),
    "dumb.metrics.database_health.enabled": NotBuilt("The health of databases is not measured."),
    **_gated("dumb.metrics.database_health.enabled", "dumb.metrics.database_health"),
    "dumb.metrics.plex_status.enabled": NotBuilt("Plex is not asked what it plays."),
    **_gated("dumb.metrics.plex_status.enabled", "dumb.metrics.plex_status"),
    "dumb.notifications.enabled": NotBuilt("No notification is sent."),
    **_gated("dumb.notifications.enabled", "dumb.notifications"),
}
"""By path; a path counts for everything below it, and the longest one that fits decides."""

SERVICE: Final[Mapping[str, NotBuilt]] = {
    "auto_update": NotBuilt("The service is not updated."),
    **_gated("auto_update", "auto_update_interval auto_update_mode auto_update_start_time"),
    **_gated("auto_update", "clear_on_update exclude_dirs platforms install_dir"),
    "release_version_enabled": NotBuilt("No release is installed: what is there is run."),
    **_gated("release_version_enabled", "release_version"),
    "branch_enabled": NotBuilt("No branch is installed: what is there is run."),
    **_gated("branch_enabled", "branch"),
    "commit_sha": NotBuilt("No commit is installed: what is there is run."),
    "pinned_version": NotBuilt(
        "No version is installed: what is there is run.", off=("latest", "v3.6.6")
    ),
    "symlink_backup_enabled": NotBuilt("Symbolic links are not backed up."),
    **_gated(
        "symlink_backup_enabled",
        "symlink_backup_include_broken symlink_backup_interval symlink_backup_path "
        "symlink_backup_retention_count symlink_backup_roots symlink_backup_start_time",
    ),
    "dbrepair.enabled": NotBuilt("Plex's database is not repaired."),
    **_gated("dbrepair.enabled", "dbrepair"),
    "use_profilarr": NotBuilt("Profilarr is not connected to it."),
    "use_system_ffmpeg": NotBuilt(_SETUP, off=(True,)),
    "plex_claim": NotBuilt("The server is not claimed."),
    "friendly_name": NotBuilt(_SETUP, off=("DUMB",)),
    "access_log_file": NotBuilt(_SETUP, off=("/log/traefik_access.log",)),
    "entrypoints": NotBuilt(_SETUP),
    "authorization_policy": NotBuilt(_SETUP, off=("two_factor",)),
    "cookie_domain": NotBuilt(_SETUP),
    "default_redirection_url": NotBuilt(_SETUP),
    "public_url": NotBuilt(_SETUP),
    "notifier": NotBuilt(_SETUP),
    "auth_username": NotBuilt(_SETUP, off=("admin",)),
    "auth_password": NotBuilt(_SETUP),
    "secret_key": NotBuilt(_SETUP),
    "base_url": NotBuilt(_SETUP, off=("http://localhost:3006",)),
    "database_uri": NotBuilt(_SETUP, off=("sqlite://./data/db.sqlite",)),
    "cache_dir": NotBuilt(_SETUP, off=("/cache",)),
    "metadata_dir": NotBuilt(_SETUP, off=("/altmount/metadata",)),
    "symlink_library_path": NotBuilt(_SETUP, off=("/mnt/debrid/riven_symlinks",)),
    "customer_id": NotBuilt(_SETUP),
    "username": NotBuilt(_SETUP),
    "password": NotBuilt(_SETUP, off=("postgres",)),
    "setup_email": NotBuilt(_SETUP, off=("DUMB@DUMB.DUMB",)),
    "setup_password": NotBuilt(_SETUP, off=("postgres",)),
    "default_server": NotBuilt(_SETUP, off=("0.0.0.0",)),  # noqa: S104 - the original's default
    "initdb_args": NotBuilt("The cluster is not created.", off=("--data-checksums",)),
    "max_connections": NotBuilt(_SETUP, off=(100,)),
    "shared_buffers": NotBuilt(_SETUP, off=("128MB",)),
    "run_directory": NotBuilt(_SETUP, off=("/run/postgresql",)),
    "postgres_enabled": NotBuilt(
        "It waits for PostgreSQL. The database is not created, and the application is not told to "
        "use it."
    ),
    **_gated("postgres_enabled", "postgres_database postgres_main_db postgres_log_db"),
    "databases": NotBuilt("The databases are not created."),
    "use_neutarr": NotBuilt("NeutArr is started for it. The two are not connected."),
    "zurg_enabled": NotBuilt("It waits for Zurg. Its own configuration is not written."),
    "decypharr_enabled": NotBuilt("It waits for Decypharr. Its own configuration is not written."),
    "api_key": NotBuilt(_SETUP),
    "api_keys": NotBuilt(_SETUP),
    "origin": NotBuilt(_SETUP),
    "tunnel_token": NotBuilt("The token is not handed to cloudflared."),
    "webdav_password": NotBuilt(_SETUP),
    "log_level": NotBuilt("The service's own log level is not set.", off=("INFO",)),
}
"""By the key in a service block. A block whose command, environment or addresses name the key as
a placeholder uses it, and is not warned about."""

WORKS_TOP: Final = frozenset(
    [
        "puid",
        "pgid",
        "tz",
        "data_root",
        "dumb.log_level",
        "dumb.log_count",
        "dumb.log_size",
        "dumb.onboarding_completed",
        "dumb.ui",
        "dumb.startup",
        "dumb.auto_restart",
        "dumb.metrics",
        "dumb.metrics.storage.migrate_jsonl",
        "seerr_sync",
    ]
)
"""Paths that do what the original says; each counts for everything below it, as above."""

WORKS_SERVICE: Final = frozenset(
    [
        "enabled",
        "process_name",
        "command",
        "config_dir",
        "config_file",
        "env",
        "env_copy",
        "log_file",
        "suppress_logging",
        "repo_owner",
        "repo_name",
        "port",
        "frontend_port",
        "backend_port",
        "host",
        "origins",
        "wait_for_dir",
        "wait_for_tcp",
        "core_service",
        "user",
        "key_type",
        "mount_dir",
        "mount_name",
        "mount_path",
        "mount_type",
        "zurg_config_file",
        "sync_role",
    ]
)
"""Keys of service blocks that do what the original says."""

WORKS_ANYWAY: Final = frozenset({"dumb_api_service"})
"""Config keys of blocks whose `log_level` is ours."""


def known_row(path: tuple[str, ...], *, in_service: bool) -> NotBuilt | bool | None:
    """The row of a key: what is not built, True when it works, None when there is no row.

    `path`: within the service block, or from the root of the file.
    """
    missing: Mapping[str, NotBuilt] = SERVICE if in_service else TOP
    works = WORKS_SERVICE if in_service else WORKS_TOP
    for name in _prefixes(path):
        if name in missing:
            return missing[name]
        if name in works:
            return True
    return None


def _prefixes(path: tuple[str, ...]) -> Iterable[str]:
    return (".".join(path[:end]) for end in range(len(path), 0, -1))
