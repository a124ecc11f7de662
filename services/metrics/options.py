"""`dumb.metrics` of the configuration (contract config.md 6). Pure.

Whatever cannot be used counts as its default: a misspelled number does not end the measuring.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MAX_PATHS: Final = 32
MAX_NAMES: Final = 32
ALL_INTERFACES: Final = "all"
SCOPES: Final = ("auto", "host", "cgroup")
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and what to keep of it."""

    scope: str = "auto"
    filesystem_paths: tuple[str, ...] = ("/",)
    interfaces: tuple[str, ...] = (ALL_INTERFACES,)
    history: bool = True
    history_interval_s: float = 5.0
    retention_days: float = 7.0
    max_total_bytes: int = 100 << 20
    legacy_dir: str = "/config/metrics"
    """Where the original kept its history as JSON lines."""
    migrate_legacy: bool = True


def parse_options(effective: Mapping[str, Any]) -> Options:
    """The options of a configuration tree."""
    dumb = effective.get("dumb")
    tree = dumb.get("metrics") if isinstance(dumb, dict) else None
    if not isinstance(tree, dict):
        return Options()
    storage = tree.get("storage")
    scope, directory = tree.get("system_scope"), tree.get("history_dir")
    default = Options()
    return Options(
        scope=scope if scope in SCOPES else default.scope,
        filesystem_paths=_texts(tree.get("filesystem_paths"), MAX_PATHS, "/") or ("/",),
        interfaces=_texts(tree.get("network_interfaces"), MAX_NAMES) or (ALL_INTERFACES,),
        history=tree.get("history_enabled") is not False,
        history_interval_s=_number(tree.get("history_interval_sec"), 5.0, 0.5, _HOUR_S),
        retention_days=_number(tree.get("history_retention_days"), 7.0, 0.01, 3650.0),
        max_total_bytes=int(_number(tree.get("history_max_total_mb"), 100.0, 1.0, 1e6) * (1 << 20)),
        legacy_dir=directory if isinstance(directory, str) and directory else default.legacy_dir,
        migrate_legacy=not (isinstance(storage, dict) and storage.get("migrate_jsonl") is False),
    )


def _texts(value: Any, most: int, begin: str = "") -> tuple[str, ...]:
    """The distinct texts of a list, in its order."""
    if not isinstance(value, list):
        return ()
    texts = [v for v in value if isinstance(v, str) and v.startswith(begin) and "\0" not in v]
    return tuple(dict.fromkeys(text for text in texts if text))[:most]


def _number(value: Any, default: float, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return float(min(max(value, low), high))
