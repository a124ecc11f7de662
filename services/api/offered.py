"""What the first-run wizard offers (contract rest.md 3.10). Pure: from the templates alone."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from shared.config.dependency_facts import core_dependencies
from shared.config.form import field_rules
from shared.config.labels import CORE_LABELS, OPTIONAL_LABELS, key_of
from shared.config.template import Template

BASIC: Final = (
    "repo_owner",
    "repo_name",
    "release_version_enabled",
    "release_version",
    "commit_sha",
    "branch_enabled",
    "branch",
    "suppress_logging",
    "log_level",
    "port",
    "frontend_port",
    "backend_port",
    "auto_update",
    "auto_update_mode",
    "auto_update_interval",
    "auto_update_start_time",
    "symlink_backup_enabled",
    "symlink_backup_interval",
    "symlink_backup_start_time",
    "symlink_backup_path",
    "symlink_backup_include_broken",
    "symlink_backup_roots",
    "symlink_backup_retention_count",
    "plex_claim",
    "friendly_name",
    "setup_email",
    "setup_password",
    "origin",
    "mount_type",
    "mount_path",
    "use_neutarr",
    "use_profilarr",
    "postgres_enabled",
    "postgres_database",
    "postgres_main_db",
    "postgres_log_db",
    "core_service",
    "webdav_password",
    "pinned_version",
    "tunnel_token",
    "public_url",
    "base_url",
    "auth_username",
    "auth_password",
    "cookie_domain",
    "default_redirection_url",
    "authorization_policy",
)
"""The fields that a wizard asks for."""

NEEDS_POSTGRES: Final = frozenset({"zilean", "pgadmin", "traefik_proxy_admin", "authelia"})
"""One of these brings PostgreSQL along, so it is not offered by itself."""

Templates = Mapping[str, Template]


def core_services(templates: Templates) -> list[dict[str, Any]]:
    """Every core service, in the order in which they are offered."""
    return [_core(templates, key, label) for key, label in CORE_LABELS.items()]


def optional_services(
    templates: Templates, core_service: str, picked: Iterable[str]
) -> list[dict[str, Any]]:
    """The optional services that make sense beside a core service and those picked already."""
    key = key_of(core_service)
    hidden = set(core_dependencies(key, templates[key].block)) if key in templates else set()
    if not NEEDS_POSTGRES.isdisjoint(map(key_of, picked)):
        hidden.add("postgres")
    return [
        _offer(templates, key, label, [key])
        for key, label in OPTIONAL_LABELS.items()
        if key not in hidden
    ]


def _core(templates: Templates, key: str, label: str) -> dict[str, Any]:
    needed = core_dependencies(key, templates[key].block)
    # A Decypharr mounts by itself, unless its options say otherwise: then rclone has some, too.
    shown = (*needed, "rclone") if key == "decypharr" else needed
    return {
        "dependencies": list(needed),
        "debrid_providers": list(templates[key].debrid_providers),
        **_offer(templates, key, label, dict.fromkeys((key, *shown))),
    }


def _offer(templates: Templates, key: str, label: str, services: Iterable[str]) -> dict[str, Any]:
    template = templates[key]
    names = list(services)
    instances = [template.instance] if template.instance else []
    return {
        "name": label,
        "key": key,
        "description": template.description,
        "service_options": {name: _options(templates[name]) for name in names},
        "service_option_descriptions": {name: _words(templates[name]) for name in names},
        "supports_instances": bool(instances),
        "instance_options": {name: _options(template) for name in instances},
        "instance_option_descriptions": {name: _words(template) for name in instances},
    }


def _options(template: Template) -> dict[str, Any]:
    return {field: template.block[field] for field in _fields(template)}


def _words(template: Template) -> dict[str, str]:
    return {field: field_rules(field)["description"] for field in _fields(template)}


def _fields(template: Template) -> Iterator[str]:
    for field in BASIC:
        belongs_to_wizard = not (field == "core_service" and template.key == "seerr")
        if field in template.block and belongs_to_wizard:
            yield field
