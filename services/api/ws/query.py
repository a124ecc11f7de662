"""Query parameters of sockets: what cannot be read is the default, never an error (contract 1)."""

import math
from dataclasses import dataclass
from typing import Final, TypeVar

from starlette.datastructures import QueryParams

from shared.models.log import LEVELS

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
MAX_BACKLOG_LINES: Final = 10_000
INTERVAL_S: Final = (0.5, 2.0, 10.0)
"""Lowest, default and highest interval of `/ws/status` and `/ws/metrics`."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What a client of `/ws/logs` asked for. `level` is an index into `LEVELS`, 0 means all."""

    names: frozenset[str] = frozenset()
    level: int = 0
    backlog: int = 0
    json: bool = False
    resume: bool = False


@dataclass(frozen=True, slots=True)
class StatusQuery:
    """What a client of `/ws/status` asked for. `interval` in seconds."""

    interval: float = INTERVAL_S[1]
    health: bool = False
    jobs: bool = False


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """What a client of `/ws/metrics` asked for (contract websocket.md 4). Times in seconds."""

    interval: float = INTERVAL_S[1]
    bootstrap: bool = False
    history: bool = False
    full: bool = False
    limit: int = 5000
    since: float | None = None
    bucket: int | None = None
    points: int = 600


def parse_bool(text: str) -> bool:
    """True for `1 true yes on` in any case, else false."""
    return text.strip().lower() in _TRUE


def parse_log_query(query: QueryParams) -> LogQuery:
    level = query.get("level", "").strip().upper()
    return LogQuery(
        names=frozenset(name for name in query.getlist("process_name") if name),
        level=LEVELS.index(level) if level in LEVELS else 0,
        backlog=_integer(query.get("backlog", ""), MAX_BACKLOG_LINES),
        json=query.get("format", "").strip().lower() == "json",
        resume=parse_bool(query.get("resume", "")),
    )


def parse_status_query(query: QueryParams) -> StatusQuery:
    return StatusQuery(
        interval=_seconds(query.get("interval", "")),
        health=parse_bool(query.get("health", "")),
        jobs=parse_bool(query.get("jobs", "")),
    )


def parse_metrics_query(query: QueryParams) -> MetricsQuery:
    default = MetricsQuery()
    return MetricsQuery(
        interval=_seconds(query.get("interval", "")),
        bootstrap=parse_bool(query.get("bootstrap", "")),
        history=parse_bool(query.get("history", "")),
        full=parse_bool(query.get("history_full", "")),
        limit=_any_integer(query.get("history_limit", ""), default.limit),
        since=_finite(query.get("history_since", "")),
        bucket=_any_integer(query.get("history_bucket", ""), None),
        points=_any_integer(query.get("history_points", ""), default.points),
    )


_Default = TypeVar("_Default", int, None)


def _any_integer(text: str, default: _Default) -> int | _Default:
    try:
        return int(text[:18])
    except ValueError:
        return default


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _integer(text: str, highest: int) -> int:
    try:
        return min(max(int(text[:20]), 0), highest)
    except ValueError:
        return 0


def _seconds(text: str) -> float:
    low, default, high = INTERVAL_S
    try:
        value = float(text)
    except ValueError:
        return default
    return default if math.isnan(value) else min(max(value, low), high)
