"""Which services need which, as facts (contract lifecycle.md 7 and 10). Nothing here decides.

A fact speaks of config keys; `dependencies.py` resolves it for every pair of a service and an
enabled service of the other key, and asks `when` of each pair.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from shared.config.labels import key_of
from shared.config.services import Block, ServiceBlock

When = Callable[[ServiceBlock, ServiceBlock], bool]
"""Whether a fact holds for this service (first) and this enabled dependency (second)."""

CORE_MAP: Final = "core_service_map"
NON_CORE_MAP: Final = "non_core_dependency_map"
CONDITIONAL_MAP: Final = "conditional_startup_map"
WAIT_FOR_MOUNTS: Final = "wait_for_mounts"
FROM_ZURG: Final = "rclone_provider_zurg"
FROM_DECYPHARR: Final = "rclone_provider_decypharr"
FROM_INFINIDYSK: Final = "rclone_provider_nzbdav"

ARRS: Final = ("sonarr", "radarr", "lidarr", "whisparr")
MEDIA_SERVERS: Final = ("plex", "jellyfin", "emby")

CORE_DEPENDENCIES: Final[dict[str, tuple[str, ...]]] = {
    "plex": (),
    "jellyfin": (),
    "emby": (),
    "cli_debrid": ("zurg", "rclone", "cli_battery", "phalanx_db"),
    "decypharr": ("rclone",),
    "infinidysk": ("rclone",),
    "altmount": (),
    "riven_backend": ("zurg", "rclone", "postgres"),
    "radarr": (),
    "sonarr": (),
    "lidarr": (),
    "prowlarr": (),
    "whisparr": (),
    "seerr": (),
    "neutarr": (),
    "profilarr": (),
}
"""The core services and what `start-core-service` starts before them."""

SCOPED: Final = frozenset({"rclone", "zurg"})
"""Their instances belong to the core services that they name, and serve no others."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Every service of the keys `services` needs every enabled one of the keys `on`, `when` so."""

    services: tuple[str, ...]
    on: tuple[str, ...]
    signal: str
    when: When


def core_services(block: Block) -> tuple[str, ...]:
    """The core services that an instance belongs to (contract config.md 3)."""
    listed, single = block.get("core_services"), block.get("core_service")
    texts = [*(listed if isinstance(listed, list) else [listed])]
    texts += single if isinstance(single, list) else [single]
    parts = (part for text in texts if isinstance(text, str) for part in text.split(","))
    return tuple(dict.fromkeys(key_of(part) for part in parts if part.strip()))


def core_dependencies(config_key: str, block: Block) -> tuple[str, ...]:
    """The row of `CORE_DEPENDENCIES`, adjusted to how the service is configured."""
    row = CORE_DEPENDENCIES.get(config_key, ())
    if config_key == "decypharr" and block.get("mount_type", "") in _OWN_MOUNT:
        return tuple(key for key in row if key != "rclone")
    if config_key == "riven_backend" and (_is(block, "branch_enabled") or block.get("commit_sha")):
        return tuple(key for key in row if key not in SCOPED)
    return row


_OWN_MOUNT: Final = ("", "rclone", "dfs", "none", None)


def always(_service: ServiceBlock, _dependency: ServiceBlock) -> bool:
    """Whatever they hold."""
    return True


def in_core_row(service: ServiceBlock, dependency: ServiceBlock) -> bool:
    """The adjusted row names it; a mount belongs to the service and is not fed by it."""
    if dependency.config_key not in core_dependencies(service.config_key, service.block):
        return False
    if dependency.config_key not in SCOPED:
        return True
    serves = service.config_key in core_services(dependency.block)
    return serves and not _feeds(service, dependency)


def uses_postgres(service: ServiceBlock, _dependency: ServiceBlock) -> bool:
    """Only a literal true counts."""
    return _is(service.block, "postgres_enabled")


def uses_neutarr(_service: ServiceBlock, dependency: ServiceBlock) -> bool:
    """NeutArr drives those that ask for it."""
    return _is(dependency.block, "use_neutarr")


def asks_it(service: ServiceBlock, dependency: ServiceBlock) -> bool:
    """A Seerr that names its media servers needs no other ones."""
    named = set(core_services(service.block)) & set(MEDIA_SERVERS)
    return not named or dependency.config_key in named


def mounts_itself(_service: ServiceBlock, dependency: ServiceBlock) -> bool:
    """A Decypharr that makes a mount of its own."""
    return dependency.block.get("mount_type") in ("rclone", "dfs")


def fed_by_zurg(service: ServiceBlock, dependency: ServiceBlock) -> bool:
    """The same Zurg configuration, else a core service in common, else nothing that says no."""
    if not _is(service.block, "zurg_enabled"):
        return False
    file, mine = service.block.get("zurg_config_file"), dependency.block.get("config_file")
    ours, theirs = core_services(service.block), core_services(dependency.block)
    if file and mine and file == mine:
        return True
    return not set(ours).isdisjoint(theirs) if ours and theirs else not (file and mine)


def fed_by_decypharr(service: ServiceBlock, _dependency: ServiceBlock) -> bool:
    """The mount shows what Decypharr serves."""
    return _is(service.block, "decypharr_enabled")


def fed_by_infinidysk(service: ServiceBlock, _dependency: ServiceBlock) -> bool:
    """The mount shows what InfiniDysk serves."""
    key_type = service.block.get("key_type")
    named = isinstance(key_type, str) and key_of(key_type) == "infinidysk"
    return named or "infinidysk" in core_services(service.block)


def _feeds(service: ServiceBlock, mount: ServiceBlock) -> bool:
    feeds: dict[str, When] = {"decypharr": fed_by_decypharr, "infinidysk": fed_by_infinidysk}
    fed_by = feeds.get(service.config_key)
    return mount.config_key == "rclone" and fed_by is not None and fed_by(mount, service)


def _is(block: Block, key: str) -> bool:
    value: Any = block.get(key)
    return value is True


FACTS: Final[tuple[Fact, ...]] = (
    *(Fact((key,), row, CORE_MAP, in_core_row) for key, row in CORE_DEPENDENCIES.items() if row),
    Fact(("riven_frontend",), ("riven_backend",), NON_CORE_MAP, always),
    Fact(
        ("zilean", "pgadmin", "mediastorm", "traefik_proxy_admin", "authelia"),
        ("postgres",),
        NON_CORE_MAP,
        always,
    ),
    Fact(("cloudflared",), ("traefik",), NON_CORE_MAP, always),
    Fact(("riven_backend",), ("postgres",), CONDITIONAL_MAP, always),
    Fact(("cli_debrid",), ("cli_battery",), CONDITIONAL_MAP, always),
    Fact(("traefik",), ("traefik_proxy_admin",), CONDITIONAL_MAP, always),
    Fact((*ARRS, "prowlarr"), ("postgres",), CONDITIONAL_MAP, uses_postgres),
    Fact(
        ("altmount", "bazarr", "infinidysk", "pulsarr", "seerr"),
        ("postgres",),
        CONDITIONAL_MAP,
        uses_postgres,
    ),
    Fact(("tautulli",), ("plex",), CONDITIONAL_MAP, always),
    Fact(("seerr",), MEDIA_SERVERS, CONDITIONAL_MAP, asks_it),
    Fact(("prowlarr", "profilarr"), ARRS, CONDITIONAL_MAP, always),
    Fact(("bazarr",), ("sonarr", "radarr"), CONDITIONAL_MAP, always),
    Fact(("neutarr",), ARRS, CONDITIONAL_MAP, uses_neutarr),
    Fact(("rclone",), ("zurg",), FROM_ZURG, fed_by_zurg),
    Fact(("rclone",), ("decypharr",), FROM_DECYPHARR, fed_by_decypharr),
    Fact(("rclone",), ("infinidysk",), FROM_INFINIDYSK, fed_by_infinidysk),
    Fact(MEDIA_SERVERS, ("rclone",), WAIT_FOR_MOUNTS, always),
    Fact(MEDIA_SERVERS, ("decypharr",), WAIT_FOR_MOUNTS, mounts_itself),
)

_TIERS: Final[tuple[str, ...]] = (
    "plex jellyfin emby",
    (
        "tautulli seerr pulsarr maintainerr aiostreams mediastorm traefik_proxy_admin authelia "
        "prowlarr bazarr sonarr radarr lidarr readarr whisparr whisparr-v3 neutarr profilarr "
        "riven_frontend riven_backend zilean phalanx_db"
    ),
    (
        "decypharr infinidysk altmount rclone zurg cli_debrid cli_battery cloudflared traefik "
        "dumb_api_service dumb_frontend"
    ),
    "pgadmin",
    "postgres",
)
_APPS: Final = 1

_TIER_BY_KEY: Final = {key: at for at, row in enumerate(_TIERS) for key in row.split()}


def shutdown_tier(config_key: str) -> int:
    """Lower ones stop first, where the graph does not say otherwise.

    A service that nobody knows stops with the applications: it may use mounts and databases.
    """
    return _TIER_BY_KEY.get(config_key, _APPS)
