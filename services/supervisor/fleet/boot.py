"""The boot: its phases, its progress, and what it came to (contract lifecycle.md 6)."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from services.supervisor.fleet.survey import BootOptions, Expected, Survey, survey
from services.supervisor.unit import Unit
from shared.models.startup import Phase, Startup

_log = logging.getLogger(__name__)

PROGRESS_EVERY_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.02
"""Changes that come together are looked at together."""

Publish = Callable[[Startup], None]


class Boot:
    """Watches the services that are to run; it starts none of them."""

    def __init__(self, units: Mapping[str, Unit], moved: asyncio.Event, publish: Publish) -> None:
        """`moved` is set by others whenever a service changed; this is who clears it."""
        self._units = units
        self._moved = moved
        self._publish = publish
        self._told = ""
        self._tell_at = 0.0
        self.status = Startup(started_at=time.time())

    async def settle(
        self, names: Sequence[str], others: Sequence[str], options: BootOptions, *, fresh: bool
    ) -> None:
        """Return when the phase is `ready` or `degraded`.

        Args:
            names: the services that are expected to be ready.
            others: what is expected besides and is there (the API).
            options: how long to wait, and how long all must have been ready.
            fresh: something is being started; what was adopted has proved itself.
        """
        self._set(Phase.STARTING_SERVICES, expected_services=tuple(sorted([*names, *others])))
        now = time.monotonic()
        stable_s = options.stabilization_s if fresh else 0.0
        deadline, stable_at = now + options.readiness_timeout_s, now + stable_s
        self._tell_at = now + PROGRESS_EVERY_S
        while True:
            self._moved.clear()
            seen, now = self._survey(names), time.monotonic()
            if seen.coming:
                stable_at = now + stable_s
            end = deadline if seen.coming else min(stable_at, deadline)
            if now >= end:
                break
            self._progress(seen, now)
            await self._next(min(end, self._tell_at) - now)
        self._finish(seen)

    async def mend(self) -> None:
        """Take failures back one by one as their services get ready. Never returns."""
        while True:
            self._moved.clear()
            names = [name for name in self.status.failures if name in self._units]
            seen = self._survey(names)
            failures = seen.coming | seen.failed
            if failures != self.status.failures:
                phase = Phase.DEGRADED if failures else Phase.READY
                self._set(phase, failures=failures, reason=_why(failures))
                if not failures:
                    _log.info("everything that failed at the start is ready now")
            await self._next(None)

    def shutting_down(self, reason: str) -> None:
        """The end has begun; `reason` says what it waits for."""
        self._set(Phase.SHUTTING_DOWN, reason=reason)

    def _survey(self, names: Sequence[str]) -> Survey:
        units = (self._units[name] for name in names if name in self._units)
        return survey(Expected(unit.state, unit.busy) for unit in units)

    async def _next(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), seconds)
        await asyncio.sleep(LOOK_AGAIN_S)

    def _progress(self, seen: Survey, now: float) -> None:
        line = seen.progress()
        stable = self.status.phase is Phase.STABILIZING or not seen.coming
        phase = Phase.STABILIZING if stable else Phase.STARTING_SERVICES
        self._set(phase, reason=line)
        if now >= self._tell_at:
            self._tell_at = now + PROGRESS_EVERY_S
            if line != self._told:
                self._told = line
                _log.info("%s", line)

    def _finish(self, seen: Survey) -> None:
        failures = seen.failed | seen.coming
        for name, why in failures.items():
            _log.error("%s is not ready: %s", name, why)
        if seen.ready or failures:
            _log.info("%s", seen.progress())
        phase = Phase.DEGRADED if failures else Phase.READY
        self._set(phase, completed_at=time.time(), failures=failures, reason=_why(failures))

    def _set(self, phase: Phase, **changes: Any) -> None:
        status = replace(self.status, phase=phase, **changes)
        if status != self.status:
            self.status = status
            self._publish(status)


def _why(failures: Mapping[str, str]) -> str:
    return f"not ready: {', '.join(failures)}" if failures else ""
