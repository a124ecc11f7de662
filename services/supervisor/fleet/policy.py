"""When a service that ended or is unhealthy is started again. Pure (contract lifecycle 5).

Beyond the contract: a failed attempt is followed by the next one, and a service at its limit is
tried again once its oldest attempt has left the window (docs/decisions/0009).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.config.names import loose

DEFAULT_BACKOFF: Final = (5.0, 15.0, 45.0, 120.0)


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The `dumb.auto_restart` block as it counts for one service. Durations: seconds."""

    restart_on_unhealthy: bool = True
    healthcheck_interval_s: float = 30.0
    grace_s: float = 30.0
    unhealthy_threshold: int = 3
    max_restarts: int = 3
    window_s: float = 300.0
    backoff_s: tuple[float, ...] = DEFAULT_BACKOFF


@dataclass(frozen=True, slots=True)
class Attempt:
    """The next attempt. `delay_s` None: there will be none; `reason` says why it is late."""

    delay_s: float | None
    recent: tuple[float, ...]
    """The attempts that still count, oldest first."""
    reason: str = ""


def policy_of(auto_restart: Any, process_name: str) -> RestartPolicy | None:
    """The policy of a service; None when it is not restarted by itself.

    Only services that `dumb.auto_restart.services` lists are (gaps.md A8); an entry's own values
    lie over those of the block. What is malformed counts as missing.
    """
    if not isinstance(auto_restart, Mapping) or auto_restart.get("enabled") is not True:
        return None
    entry = _entry(auto_restart.get("services"), process_name)
    if entry is None or entry.get("enabled") is False:
        return None
    merged = {**auto_restart, **{key: value for key, value in entry.items() if value is not None}}
    return RestartPolicy(
        restart_on_unhealthy=merged.get("restart_on_unhealthy") is not False,
        healthcheck_interval_s=_number(merged.get("healthcheck_interval"), 30.0),
        grace_s=_number(merged.get("grace_period_seconds"), 30.0),
        unhealthy_threshold=max(1, int(_number(merged.get("unhealthy_threshold"), 3))),
        max_restarts=int(_number(merged.get("max_restarts"), 3)),
        window_s=_number(merged.get("window_seconds"), 300.0),
        backoff_s=_backoff(merged.get("backoff_seconds")),
    )


def next_attempt(policy: RestartPolicy, attempts: Sequence[float], now: float) -> Attempt:
    """When to try again. `attempts` and `now`: seconds of one clock that never jumps."""
    recent = tuple(at for at in sorted(attempts) if now - policy.window_s < at <= now)
    if policy.max_restarts <= 0:
        return Attempt(None, recent, "max_restarts allows no restart")
    if len(recent) >= policy.max_restarts:
        room = recent[-policy.max_restarts] + policy.window_s - now
        return Attempt(
            max(room, 0.0),
            recent,
            f"{len(recent)} restarts within {policy.window_s:g} s: the next one in {room:.0f} s",
        )
    steps = policy.backoff_s
    delay = steps[min(len(recent), len(steps) - 1)] if steps else 0.0
    return Attempt(delay, recent)


def _entry(services: Any, process_name: str) -> Mapping[str, Any] | None:
    """The entry of a service: by its exact name, else by the loose one."""
    entries = [e for e in services if isinstance(e, Mapping)] if isinstance(services, list) else []
    named = [(e, e["process_name"]) for e in entries if isinstance(e.get("process_name"), str)]
    for entry, name in named:
        if name == process_name:
            return entry
    return next((entry for entry, name in named if loose(name) == loose(process_name)), None)


def _number(value: Any, fallback: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return fallback
    return max(float(value), 0.0)


def _backoff(value: Any) -> tuple[float, ...]:
    """A list of seconds; a single number is a list of one; [] is no wait at all."""
    if isinstance(value, list):
        return tuple(_number(item, 0.0) for item in value)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return DEFAULT_BACKOFF
    return (_number(value, 0.0),)
