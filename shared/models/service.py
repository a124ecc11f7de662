"""One service's published state: the hash `dumb:service:<name>` and the `dumb:status` event."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self

import orjson

from shared.states import ALIVE, Desired, ServiceStatus

_HEALTHY: Final = frozenset({"healthy", "degraded", "starting"})


@dataclass(frozen=True, slots=True)
class RestartStats:
    """The 16 counters of an automatic restart (contract rest.md 3.6). Times: epoch seconds."""

    restart_attempts: int = 0
    restart_successes: int = 0
    restart_failures: int = 0
    recent_restart_attempts: int = 0
    pending: bool = False
    next_restart_time: float | None = None
    disabled: bool = False
    last_restart_time: float | None = None
    last_failure_reason: str | None = None
    last_exit_time: float | None = None
    last_exit_reason: str | None = None
    unhealthy_count: int = 0
    unhealthy_threshold: int = 3
    readiness_state: str = "pending"
    ready_at: float | None = None
    awaiting_recovery: bool = False


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A level, never an edge: what is true of a service now. All `*_at` are epoch seconds.

    `generation` counts starts; news from an older one is dropped. `seq` rises by one with each
    change, so a listener that sees a gap reads the hash again.
    """

    process_name: str
    status: ServiceStatus = ServiceStatus.STOPPED
    desired: Desired = Desired.DOWN
    generation: int = 0
    pid: int | None = None
    started_at: float | None = None
    ready_at: float | None = None
    stopped_at: float | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    exit_reason: str = ""
    waiting_for: str = ""
    """What has to happen before it can start, or be ready."""
    waiting_since: float | None = None
    health: str = "unhealthy"
    health_reason: str = "Process not running"
    health_details: dict[str, Any] | None = field(default_factory=lambda: {"probe": "process"})
    health_checked_at: float | None = None
    restart: RestartStats = field(default_factory=RestartStats)
    next_run_at: float | None = None
    """The next slot of its schedule."""
    schedule_note: str = ""
    """Which slots were skipped last, and why."""
    in_exit_window: bool = False
    """Its process was just started: if it ends now, the start failed (contract lifecycle.md 3)."""
    log_problem: str = ""
    """Why its log file is not read or written."""
    enabled: bool = False
    config_key: str = ""
    instance: str = ""
    seq: int = 0

    @property
    def alive(self) -> bool:
        """Whether a process of the service exists."""
        return self.status in ALIVE

    @property
    def rest_status(self) -> Literal["running", "stopped"]:
        """The original's word: `running` from the exit window on, while the process lives."""
        return "running" if self.alive and not self.in_exit_window else "stopped"

    @property
    def healthy(self) -> bool:
        """The original's word: it lives, and is healthy, degraded or starting."""
        return self.rest_status == "running" and self.health in _HEALTHY

    @property
    def completed(self) -> bool:
        """Whether it did what it is for and ended as expected."""
        return self.status is ServiceStatus.EXITED and self.restart.readiness_state == "ready"

    def to_json(self) -> bytes:
        """The `dumb:status` event."""
        return orjson.dumps(self)

    def to_hash(self) -> dict[str, str]:
        """The Redis hash: plain strings, JSON only for trees, empty for absent."""
        return {name: _plain(getattr(self, name)) for name in _HASH_FIELDS}

    def to_tree(self) -> dict[str, Any]:
        """The fields by name, as `from_mapping` takes them; shallow, for `asdict` is slow."""
        return {"process_name": self.process_name} | {
            name: getattr(self, name) for name in _HASH_FIELDS
        }

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Parse an event. Raises `ValueError` when it is not one."""
        return cls.from_mapping(orjson.loads(data))

    @classmethod
    def from_mapping(cls, tree: Mapping[str, Any]) -> Self:
        """Build from a decoded JSON object; unknown keys of a newer writer are ignored.

        Raises:
            ValueError: a known key holds something of the wrong form.
        """
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in tree.items() if key in known}
        try:
            values["status"] = ServiceStatus(values.get("status", "stopped"))
            values["desired"] = Desired(values.get("desired", "down"))
            values["restart"] = _restart(values.get("restart"))
            return cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from error

    @classmethod
    def from_hash(cls, process_name: str, raw: Mapping[bytes, bytes]) -> Self:
        """Parse the Redis hash. An empty one gives a stopped service."""
        text = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in raw.items()}
        tree: dict[str, Any] = {"process_name": process_name}
        for f in fields(cls):
            if f.name in text and f.name != "process_name":
                tree[f.name] = _parse(f.name, text[f.name])
        return cls.from_mapping(tree)

    def with_(self, **changes: Any) -> "ServiceState":
        """A copy with `changes`; `dataclasses.replace` under a shorter name."""
        return replace(self, **changes)


_HASH_FIELDS = tuple(f.name for f in fields(ServiceState) if f.name != "process_name")
_INTEGERS = frozenset({"generation", "pid", "exit_code", "exit_signal", "seq"})
_TIMES = frozenset(
    {"started_at", "ready_at", "stopped_at", "waiting_since", "health_checked_at", "next_run_at"}
)
_FLAGS = frozenset({"enabled", "in_exit_window"})
_TREES = frozenset({"health_details", "restart"})


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict | RestartStats):
        return orjson.dumps(value).decode()
    return str(value)


def _parse(name: str, text: str) -> Any:
    if name in _INTEGERS:
        empty = 0 if name in {"generation", "seq"} else None
        return int(text) if text else empty
    if name in _TIMES:
        return float(text) if text else None
    if name in _TREES:
        return orjson.loads(text) if text else None
    if name in _FLAGS:
        return text == "1"
    return text


def _restart(tree: Any) -> RestartStats:
    if isinstance(tree, RestartStats):
        return tree
    if not isinstance(tree, Mapping):
        return RestartStats()
    known = {f.name for f in fields(RestartStats)}
    return RestartStats(**{key: value for key, value in tree.items() if key in known})
