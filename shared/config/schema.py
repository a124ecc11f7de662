"""The JSON Schema of the configuration file, and what in a file it does not know.

It is what forms and editors are told, and what is enforced (conform.py); `fields.py` has the rules
that a schema cannot say. `config_rules` and `service_rules` have defaults and units as well.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Final

from shared.config.built import NotBuilt, known_row
from shared.config.catalogue import MULTIPLE, SINGLETONS, known_fields
from shared.config.form import Schema, field_rules, for_forms, title_of
from shared.config.pages import Config
from shared.config.services import iter_blocks

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The one that validators in browsers (Ajv 8) know without being told."""


@cache
def config_schema() -> Schema:
    """The schema of the whole file. Unknown keys are allowed everywhere, and kept. Not changed."""
    return {"$schema": DRAFT, **for_forms(config_rules())}


@lru_cache(maxsize=256)  # the names of others' services are theirs to choose
def service_schema(config_key: str) -> Schema:
    """The schema of one service block, an instance's included. Not changed."""
    return for_forms(service_rules(config_key))


def block_schema(path: tuple[str, ...], config_key: str) -> Schema:
    """The schema of the service block at `path`."""
    base = "_".join(path[:-2]) if path[-2:-1] == ("instances",) else config_key
    return {"$schema": DRAFT, **service_schema(base)}


@cache
def config_rules() -> Schema:
    """What is known of the whole file. Not changed."""
    singletons = {key: service_rules(key) for key in SINGLETONS}
    multiple = {key: _instances(key) for key in MULTIPLE}
    return {
        "title": "DUMB configuration",
        "type": "object",
        "properties": {
            "puid": _whole("User id of the services; 0 is the supervisor's own", 0, 0),
            "pgid": _whole("Group id of the services; 0 is the supervisor's own", 0, 0),
            "tz": _text("Time zone, such as Europe/Berlin"),
            "data_root": _text("Root of the data directories, such as /data"),
            "dumb": _dumb_rules(),
            "seerr_sync": _seerr_sync(),
            **singletons,
            **multiple,
        },
    }


@lru_cache(maxsize=256)  # the names of others' services are theirs to choose
def service_rules(config_key: str) -> Schema:
    """What is known of one service block, an instance's included. Not changed."""
    return {
        "title": title_of(config_key),
        "type": "object",
        "properties": {key: field_rules(key, config_key) for key in known_fields(config_key)},
        "required": ["process_name"],
    }


def _dumb_rules() -> Schema:
    """Of `dumb` (contract config.md 6)."""
    return _object(
        {
            "log_level": _text("Level of the main log", "INFO"),
            "log_name": _text("Name of the main log", "DUMB"),
            "log_dir": _text("Directory of the main log", "/log"),
            "log_count": _whole("Rotated files that are kept", 0, 2, high=1000),
            "log_size": {
                "type": ["string", "integer"],
                "title": "Log size",
                "default": "10M",
                "description": "Size at which a log file is rotated: 10M, 512K, 1G or bytes",
            },
            "color_log": _flag("Colours in the console", True),
            "plex_token": _secret("Token of the Plex account"),
            "plex_address": _text("Address of the Plex server"),
            "github_token": _secret("Token of the GitHub account"),
            "github_username": _text("Name of the GitHub account"),
            "github_rate_limit_max_wait_seconds": _seconds("Longest wait for GitHub", 300, 3600),
            "onboarding_completed": _flag("The first-run wizard is done"),
            "ui": _object({}, "What the frontend remembers; it has a revision of its own"),
            "startup": _object(
                {
                    "readiness_timeout_seconds": _seconds("Longest wait for a service", 300),
                    "readiness_poll_interval_seconds": _seconds("Between two looks", 5),
                    "stabilization_seconds": _seconds("How long a service must stay up", 15),
                }
            ),
            "auto_restart": _auto_restart(),
            "api_service": service_rules("dumb_api_service"),
            "frontend": service_rules("dumb_frontend"),
            "metrics": _metrics(),
            "install_cache": _object({}, "Downloads that are kept"),
            "media_protection": _object({}, "Media servers that are not interrupted"),
            "notifications": _object({}, "Where news are sent"),
        },
        "The program itself",
    )


def unknown_keys(tree: Config) -> Iterator[tuple[str, ...]]:
    """Keys that nothing here knows: kept, but perhaps misspelled. Free objects are not searched."""
    known_roots = config_schema()["properties"]
    blocks = dict(iter_blocks(tree))
    for key, value in tree.items():
        inside = isinstance(value, dict) and any(path[0] == key for path in blocks)
        if key not in known_roots and not inside:
            yield (key,)
    for root in _FIXED:
        yield from _unknown_in(tree.get(root), known_roots[root], (root,))
    for path, block in blocks.items():
        base = path[:-2] if path[-2:-1] == ("instances",) else path
        config_key = "_".join(base)
        if base[0] != "dumb" or path[-1] in _OWN_BLOCKS:
            fields = known_fields(config_key)
            yield from ((*path, key) for key in block if key not in fields)


def _unknown_in(value: Any, schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Below an object with fixed keys; one of which the schema names no key is free."""
    properties = schema.get("properties")
    if not isinstance(value, dict) or not properties or "process_name" in properties:
        return
    for key, item in value.items():
        below = (*path, key)
        if key in properties:
            yield from _unknown_in(item, properties[key], below)
        elif not isinstance(known_row(below, in_service=False), NotBuilt):
            yield below


def known_keys_at(path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that are known in an object: the root, one with fixed keys, or a service block."""
    if not path or path[0] in _FIXED:
        schema = config_schema()
        for name in path:
            schema = schema["properties"].get(name, {"properties": {}})
        if schema["properties"]:
            return tuple(schema["properties"])
    return known_fields("_".join(path[:-2] if path[-2:-1] == ("instances",) else path))


_FIXED: Final = ("dumb", "seerr_sync")
"""Roots whose objects have fixed keys."""
_OWN_BLOCKS: Final = ("api_service", "frontend")


def _instances(key: str) -> Schema:
    return {
        "title": title_of(key),
        "type": "object",
        "properties": {
            "instances": {
                "type": "object",
                "title": "Instances",
                "description": "Blocks by the name of the instance",
                "additionalProperties": service_rules(key),
            }
        },
    }


def _auto_restart() -> Schema:
    policy: Schema = {
        "enabled": _flag("Restart services that end by themselves"),
        "restart_on_unhealthy": _flag("Restart services that run but do not answer", True),
        "healthcheck_interval": _seconds("Between two health checks", 30),
        "unhealthy_threshold": _whole("Failed checks before a restart", 1, 3),
        "max_restarts": _whole("Restarts within the window before giving up", 0, 3),
        "window_seconds": _seconds("The window in which restarts count", 300),
        "backoff_seconds": {
            "type": "array",
            "title": "Backoff seconds",
            "items": {"type": "number", "minimum": 0},
            "default": [5, 15, 45, 120],
            "unit": "s",
            "description": "Waited before the first, second, ... restart",
        },
        "grace_period_seconds": _seconds("Checks that count for nothing after a start", 30),
    }
    name = {"type": "string", "title": "Process name"}
    # Absent in an entry means: as the block above says.
    own = {key: {k: v for k, v in rules.items() if k != "default"} for key, rules in policy.items()}
    services = {
        "type": "array",
        "title": "Services",
        "default": [],
        "description": "Services with rules of their own",
        "items": {"type": "object", "properties": {"process_name": name, **own}},
    }
    return _object({**policy, "services": services}, "Automatic restarts")


def _metrics() -> Schema:
    names: Schema = {"type": "array", "minItems": 1, "maxItems": 32, "uniqueItems": True}
    path: Schema = {"type": "string", "pattern": "^/"}
    return _object(
        {
            "system_scope": {
                "type": "string",
                "enum": ["auto", "host", "cgroup"],
                "default": "auto",
                "description": "Whose CPU and memory: the host's, or those of the container",
            },
            "filesystem_paths": {
                **names,
                "items": path,
                "default": ["/"],
                "description": "Paths whose file systems are watched",
            },
            "network_interfaces": {
                **names,
                "items": {"type": "string"},
                "default": ["all"],
                "description": "Names of interfaces, or all",
            },
            "history_enabled": _flag("Keep what was measured", True),
            "history_interval_sec": _seconds("Between two samples that are kept", 5, 3600),
            "history_retention_days": {
                "type": "number",
                "minimum": 0,
                "default": 7,
                "unit": "d",
                "description": "The age that the history may reach",
            },
            "history_max_total_mb": {
                "type": "number",
                "minimum": 0,
                "default": 100,
                "unit": "MB",
                "description": "What the history may take in Redis",
            },
            "history_dir": _text(
                "Where the history of DUMB lies, to be imported", "/config/metrics"
            ),
            "storage": _object({"migrate_jsonl": _flag("Import it once", True)}),
        },
        "System metrics",
    )


def _seerr_sync() -> Schema:
    return _object(
        {
            "enabled": _flag("Keep requests of several Seerr in step"),
            "poll_interval_seconds": _whole("Between two rounds", 10, 60) | {"unit": "s"},
            "external_primary": _object({}, "A primary outside of this machine"),
            "external_subordinates": {
                "type": "array",
                "title": "External subordinates",
                "default": [],
                "items": {"type": "object"},
            },
            "options": _object({}, "What is synchronised"),
        },
        "Seerr sync",
    )


def _object(properties: Schema, description: str = "") -> Schema:
    named = {key: {"title": title_of(key), **schema} for key, schema in properties.items()}
    words = {"description": description} if description else {}
    return {"type": "object", **words, "properties": named}


def _flag(description: str, default: bool = False) -> Schema:
    return {"type": "boolean", "default": default, "description": description}


def _text(description: str, default: str = "") -> Schema:
    return {"type": ["string", "null"], "default": default, "description": description}


def _secret(description: str) -> Schema:
    return {**_text(description), "writeOnly": True}


def _whole(description: str, low: int, default: int, high: int | None = None) -> Schema:
    limits = {"minimum": low} | ({} if high is None else {"maximum": high})
    kind = ["integer", "null"]
    return {"type": kind, **limits, "default": default, "description": description}


def _seconds(description: str, default: int, high: int = 86_400) -> Schema:
    return {
        "type": "number",
        "minimum": 0,
        "maximum": high,
        "default": default,
        "unit": "s",
        "description": description,
    }
