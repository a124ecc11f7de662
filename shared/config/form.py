"""What is known of each field: kind, words, default, unit (contract config.md 3).

`default` is what is in force while a field is absent, and only that: a client that fills it in
must change nothing (in_force.py). What other fields decide is said in the description instead.
Forms are shown `for_forms` of it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from shared.secret_names import is_secret_name

Schema = dict[str, Any]


def title_of(key: str) -> str:
    """`auto_update_mode` as people read it: `Auto update mode`."""
    words = re.sub(r"[_-]+", " ", key).strip()
    return words[:1].upper() + words[1:]


def _boolean(description: str, default: bool = False) -> Schema:
    return {"type": "boolean", "default": default, "description": description}


def _text(description: str, default: str | None = "", **more: Any) -> Schema:
    shown = {} if default is None else {"default": default}
    return {"type": ["string", "null"], **shown, "description": description, **more}


def _choice(description: str, *values: str) -> Schema:
    return {"type": "string", "enum": list(values), "default": values[0]} | {
        "description": description
    }


def _port(description: str) -> Schema:
    return {"type": ["integer", "null"], "minimum": 1, "maximum": 65535} | {
        "description": description
    }


def _whole(description: str, low: int, high: int | None = None, **more: Any) -> Schema:
    limits = {"minimum": low} | ({} if high is None else {"maximum": high})
    return {"type": ["integer", "null"], **limits, "description": description, **more}


def _seconds(description: str, default: float | None = None) -> Schema:
    shown = {} if default is None else {"default": default}
    kind = ["number", "null"]
    limits = {"minimum": 0, "maximum": 86400, "unit": "s"}
    return {"type": kind, **limits, **shown, "description": description}


def _list(description: str, items: Schema) -> Schema:
    return {"type": "array", "items": items, "default": [], "description": description}


def _object(description: str) -> Schema:
    return {"type": ["object", "null"], "description": description}


def _probe(description: str) -> Schema:
    """One form for every kind: a field that a kind does not know is ignored by it."""
    return {
        "type": ["object", "null"],
        "description": description,
        "required": ["kind"],
        "properties": {key: {"title": title_of(key), **schema} for key, schema in _PROBE.items()},
    }


_TEXTS: Final[Schema] = {"type": "string"}
_TIME: Final = r"^(?:[01]?\d|2[0-3]):[0-5]\d$"

_PROBE: Final[dict[str, Schema]] = {
    "kind": {
        "type": "string",
        "enum": ["http", "tcp", "exec", "port", "process"],
        "description": "`port`: every configured port answers; `process`: the process lives",
    },
    "interval": _seconds("Between two checks; else as often as `auto_restart` says")
    | {"minimum": 0.1},
    "timeout": _seconds("For one check") | {"minimum": 0.1},
    "failure_threshold": _whole("Failed checks in a row until it counts", 1, 100, default=1),
    "success_threshold": _whole("Good checks in a row until it counts", 1, 100, default=1),
    "host": _text("Where it is asked; default the service's host", None),
    "port": {
        "type": ["integer", "string", "null"],
        "description": "The port that is asked, or {field}; http: default the service's port",
    },
    "path": _text("http: path and query", "/"),
    "method": _text("http: method", "GET"),
    "headers": _object("http: header fields that are sent"),
    "auth": _object("http: `user` and `password`, sent as basic authentication"),
    "status": {
        "type": ["integer", "array", "null"],
        "items": {"type": "integer", "minimum": 100, "maximum": 599},
        "description": "http: the accepted codes; default what a code usually means",
    },
    "contains": _text("http: text that the answer must hold"),
    "json_field": _text("http: dotted path that the answer, as JSON, must have"),
    "json_value": {"description": "http: what stands at `json_field`; default anything"},
    "command": {
        "type": ["array", "string", "null"],
        "items": _TEXTS,
        "description": "exec: the arguments; exit code 0 is healthy; no shell runs",
    },
}

_SCHEDULE: Final[dict[str, Schema]] = {
    "cron": {
        "type": "string",
        "title": "Cron",
        "description": "Five fields, such as `30 4 * * 1-5`, or `@daily` and the like",
    },
    "tz": _text("Time zone, such as Europe/Berlin; default: `tz` of the file, else UTC")
    | {"title": "Time zone"},
    "action": _choice("What is done then", "run", "restart", "stop") | {"title": "Action"},
    "overlap": _choice("What a `run` does while the last one goes on", "skip", "replace")
    | {"title": "Overlap"},
}

FORM: Final[dict[str, Schema]] = {
    "enabled": _boolean("Started with the supervisor"),
    "process_name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "description": "The name by which every API knows the service; no other one has it",
    },
    "command": {
        "type": ["array", "string", "null"],
        "items": _TEXTS,
        "default": [],
        "description": "The arguments, or text that is split like a shell would; no shell runs",
    },
    "config_dir": _text("Working directory"),
    "config_file": _text("The service's own configuration file"),
    "log_file": _text("The file that the service writes, or that its output is written to"),
    "log_level": _text(
        "Level of the service's log", "INFO", examples=["DEBUG", "INFO", "WARNING", "ERROR"]
    ),
    "suppress_logging": _boolean("Keep its output out of the live log of all services"),
    "host": _text("Where the ports are asked", "127.0.0.1"),
    "port": _port("The service is ready when it answers"),
    "frontend_port": _port("Port of the pages"),
    "backend_port": _port("Port of the backend"),
    "webdav_port": _port("Port of WebDAV"),
    "env": {
        "type": ["object", "null"],
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        "default": {},
        "description": "Added to the inherited environment",
    },
    "env_copy": _object("A file that is copied: `source`, `destination`"),
    "wait_for_dir": _text("A path that must exist before the start"),
    "wait_for_mounts": {
        "type": ["array", "string", "null"],
        "items": _TEXTS,
        "description": "Paths that must be mount points before the start",
    },
    "wait_for_tcp": {
        "type": ["array", "object", "string", "null"],
        "description": "Addresses that must take connections before the start",
        "items": {
            "type": "object",
            "properties": {
                "name": _TEXTS,
                "host": _TEXTS,
                "port": _port("Port"),
                "timeout": _seconds("For one attempt", 2),
            },
        },
    },
    "wait_for_url": {
        "type": ["array", "object", "string", "null"],
        "description": "Addresses that must answer before the start",
        "items": {
            "type": "object",
            "required": ["url"],
            "properties": {
                "url": _TEXTS,
                "auth": _object("`user` and `password`, sent as basic authentication"),
                "probe_method": _text("Method; default GET, for WebDAV PROPFIND", None),
                "probe_headers": _object("Header fields that are sent"),
                "timeout": _seconds("For one attempt", 10),
                "expected_json_path": _text("Dotted path that the answer must have"),
            },
        },
    },
    "wait_timeout": _seconds(
        "How long all `wait_for_…` together may take; default 600 s for URLs, else no limit"
    ),
    "health": {
        "type": ["object", "null"],
        "description": "How it is checked; default: its ports, and what is known of the service",
        "properties": {
            "readiness": _probe("Decides whether it is ready"),
            "liveness": _probe("Decides whether it is healthy, or is restarted"),
            "start_period": _seconds("After a start, in which failed checks do not count", 0),
        },
    },
    "restart": {
        "type": ["string", "boolean", "null"],
        "enum": ["auto", "no", True, False, None],
        "default": "auto",
        "description": "`no`: never restarted by itself; `auto`: as `dumb.auto_restart` says",
    },
    "expected_exit": {
        "type": ["array", "integer", "null"],
        "items": {"type": "integer", "minimum": 0, "maximum": 255},
        "default": [],
        "description": "Exit codes that mean that it has done its work",
    },
    "on_dependency_restart": {
        "type": ["string", "null"],
        "enum": ["reprobe", "restart", "ignore", None],
        "default": "reprobe",
        "description": "What it does when a service that it needs was started anew",
    },
    "schedule": {
        "type": ["object", "array", "null"],
        "description": "When the supervisor starts, restarts or stops it; an object, or a list",
        "properties": _SCHEDULE,
        "items": {"type": "object", "required": ["cron"], "properties": _SCHEDULE},
    },
    # Enforced where the other services are known (dependencies.py), and therefore in words that
    # conform.py leaves alone: a wrong one keeps its own service down, and no other.
    "depends_on": {
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": {
                    "enum": ["ready", "started", "healthy", "completed", None],
                },
            },
            {"type": "null"},
        ],
        "default": {},
        "description": "Services that it needs by process name, and what they must have reached",
    },
    "start_window": _seconds("How long the process must live to count as started"),
    "start_timeout": _seconds("How long its ports may take to answer", 120),
    "stop_signal": {
        "type": ["string", "integer", "null"],
        "description": "Sent to the whole process group; default SIGTERM, to PostgreSQL SIGINT",
    },
    "stop_attempts": _whole("How often the signal is sent before SIGKILL", 1, 100),
    "stop_wait": _seconds("Waited after each signal"),
    "puid": _whole("User id", 0, 2**32 - 2),
    "pgid": _whole("Group id", 0, 2**32 - 2),
    "platforms": _list("Toolchains prepared at the installation", _TEXTS),
    "core_service": {
        "type": ["string", "array", "null"],
        "items": _TEXTS,
        "default": "",
        "description": "Core services that this one belongs to",
    },
    "core_services": _list("Core services that this one belongs to", _TEXTS),
    "repo_owner": _text("Owner of the source repository"),
    "repo_name": _text("Name of the source repository"),
    "release_version_enabled": _boolean("Keep to `release_version`"),
    "release_version": _text("A tag, or `latest`, `nightly`, `prerelease`", None),
    "branch_enabled": _boolean("Follow `branch`"),
    "branch": _text("Branch of the repository", "main"),
    "commit_sha": _text("A commit; overrides release and branch", pattern=r"^([0-9a-fA-F]{40})?$"),
    "pinned_version": _text("Version to keep to"),
    "auto_update": _boolean("Look for updates on a schedule"),
    "auto_update_mode": _choice("What an update check does", "install", "check_only"),
    "auto_update_interval": {
        "type": ["number", "null"],
        "minimum": 0,
        "default": 24,
        "unit": "h",
        "description": "Between two checks",
    },
    "auto_update_start_time": _text("Time of the first check", "04:00", pattern=_TIME),
    "clear_on_update": _boolean("Empty the directory before an update"),
    "exclude_dirs": _list("Directories that an update leaves alone", _TEXTS),
    "symlink_backup_enabled": _boolean("Back up symbolic links on a schedule"),
    "symlink_backup_interval": {
        "type": ["number", "null"],
        "minimum": 0,
        "default": 168,
        "unit": "h",
        "description": "Between two backups",
    },
    "symlink_backup_start_time": _text("Time of the first backup", "04:00", pattern=_TIME),
    "symlink_backup_path": _text("File of a backup; may hold {timestamp} and the like"),
    "symlink_backup_include_broken": _boolean("Back up broken links too", True),
    "symlink_backup_retention_count": _whole("Backups that are kept", 0, default=1),
    "symlink_backup_roots": {
        "type": ["array", "string"],
        "items": _TEXTS,
        "default": [],
        "description": "Directories that are searched for links",
    },
    "postgres_enabled": _boolean("Use the managed PostgreSQL"),
    "postgres_database": _text("Name of the database"),
    "postgres_main_db": _text("Name of the main database"),
    "postgres_log_db": _text("Name of the log database"),
    "use_neutarr": _boolean("Include this instance in NeutArr"),
    "use_profilarr": _boolean("Include this instance in Profilarr"),
    "use_system_ffmpeg": _boolean("Use the ffmpeg of the system"),
    "zurg_enabled": _boolean("Mount what Zurg serves"),
    "decypharr_enabled": _boolean("Mount what Decypharr serves"),
    "sync_role": _choice("Role in the Seerr sync", "disabled", "primary", "subordinate"),
    "mount_type": _choice("How files are mounted", "dfs", "rclone", "external_rclone", "none"),
    "authorization_policy": _choice("Authelia's policy", "two_factor", "one_factor"),
    "databases": _list(
        "Databases that are made",
        {"type": "object", "properties": {"name": _TEXTS, "enabled": {"type": "boolean"}}},
    ),
    "max_connections": _whole("Connections that PostgreSQL takes", 1, default=100),
    "api_keys": _object("Keys by provider"),
    "dbrepair": _object("Settings of the Plex database repair"),
    "notifier": _object("Authelia's notifier"),
    "entrypoints": _object("Traefik's entry points"),
    "origins": {
        "type": ["array", "string"],
        "items": _TEXTS,
        "default": [],
        "description": "Web pages that may use the API",
    },
}


OF_ONE: Final[Mapping[tuple[str, str], Schema]] = {
    ("dumb_api_service", "enabled"): {"default": True},
    ("dumb_api_service", "log_level"): {},  # that of the main log
    ("altmount", "mount_type"): {"default": "rclone"},
}
"""Fields whose absence means something else in one service than in all others."""


def field_rules(key: str, config_key: str = "") -> Schema:
    """What is known of a field, of one service or of any. Fields that are not listed are text."""
    rules = dict(FORM.get(key) or _text(title_of(key)))
    rules.setdefault("title", title_of(key))
    if is_secret_name(key) and "string" in rules.get("type", ()):
        rules["writeOnly"] = True
    own = OF_ONE.get((config_key, key))
    if own is not None:
        rules.pop("default", None)
        rules |= own
    return rules


_UNITS: Final = {"s": "seconds", "h": "hours", "d": "days", "MB": "MB"}


def for_forms(rules: Schema) -> Schema:
    """A copy in plain JSON Schema: default and unit stand in the description.

    Clients write a `default` into what they post, and Ajv refuses keywords and formats that it
    does not know.
    """
    shown = {key: value for key, value in rules.items() if key not in {"default", "unit"}}
    notes = _notes(rules)
    if notes:
        shown["description"] = f"{rules.get('description', '')} ({notes})".lstrip()
    if "properties" in rules:
        shown["properties"] = {key: for_forms(item) for key, item in rules["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(rules.get(key), dict):
            shown[key] = for_forms(rules[key])
    return shown


def _notes(rules: Schema) -> str:
    default = rules.get("default")
    empty = default is None or default in ("", [], {})
    text = default if isinstance(default, str) else json.dumps(default)
    notes = [_UNITS[rules["unit"]]] if "unit" in rules else []
    return "; ".join(notes if empty else [*notes, f"default: {text}"])
