"""What is known about a service by its config key alone (contract rest.md 3.1)."""

from typing import Any, Final

from shared.config.services import ServiceBlock

REPO_URLS: Final = {
    "dumb_frontend": "https://github.com/nicocapalbo/dmbdb",
    "traefik": "https://github.com/traefik/traefik",
    "cloudflared": "https://github.com/cloudflare/cloudflared",
    "cli_battery": "https://github.com/godver3/cli_debrid",
    "jellyfin": "https://github.com/jellyfin/jellyfin",
    "aiostreams": "https://github.com/Viren070/AIOStreams",
    "postgres": "https://github.com/postgres/postgres",
    "pgadmin": "https://github.com/pgadmin-org/pgadmin4",
    "rclone": "https://github.com/rclone/rclone",
}
"""For keys whose block names no repository."""


def repo_url(service: ServiceBlock) -> str | None:
    """Where the service's source is: what the block names, else the known place."""
    owner, name = service.block.get("repo_owner"), service.block.get("repo_name")
    if isinstance(owner, str) and isinstance(name, str) and owner.strip() and name.strip():
        return f"https://github.com/{owner.strip()}/{name.strip()}"
    return REPO_URLS.get(service.config_key)


def facts(service: ServiceBlock) -> dict[str, Any]:
    """The static fields of an entry. Updates are not built, so none is offered.

    No sponsorship address is known for certain, so none is given.
    """
    return {
        "repo_url": repo_url(service),
        "sponsorship_url": None,
        "supports_manual_update": False,
        "update_status": None,
    }


BUILT_FLAGS: Final = (
    "metrics_filesystem_selection",
    "metrics_network_interface_selection",
    "optional_only_onboarding",
    "optional_service_options",
    "metrics_history_storage",
    "runtime_api_log_level",
    "seerr_sync",
    "startup_lifecycle",
)
"""What of the original's features works."""

KEY_LISTS: Final = (
    "commit_sha_service_keys",
    "media_library_protection_service_keys",
    "postgres_migration_service_keys",
    "database_health_service_keys",
)
OWN_FLAGS: Final = (
    "async_commands",
    "bulk_actions",
    "cancel_commands",
    "command_receipts",
    "depends_on",
    "idempotency_keys",
    "log_cursors",
    "log_resume",
    "schedules",
)


def capabilities() -> dict[str, bool | list[str]]:
    """What this version can do: the same on every replica. An absent flag counts as false."""
    return {
        **dict.fromkeys(BUILT_FLAGS, True),
        **{key: [] for key in KEY_LISTS},
        **dict.fromkeys(OWN_FLAGS, True),
    }
