"""When a process that was just started counts as ready: window, ports, its own word."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from services.supervisor.probes.check import Check
from services.supervisor.probes.port import wait_until_answers
from services.supervisor.probes.verdict import Verdict
from services.supervisor.spawn import LaunchSpec

_FIRST_PAUSE_S: Final = 0.02
_GROWTH: Final = 1.5
_LONGEST_PAUSE_S: Final = 1.0


class Readiness:
    """One wait for it. `missing` says what is not there yet, `details` likewise for programs."""

    def __init__(
        self, spec: LaunchSpec, check: Check | None, settled: Callable[[], None] | None = None
    ) -> None:
        """`settled` is called when the process has lived through its exit window."""
        self._spec = spec
        self._settled = settled
        self._check = check
        self.missing = ""
        self.details: dict[str, Any] | None = {"probe": "process"}
        self.said: Verdict | None = None
        """What its own probe answered when it was ready."""

    async def reached(self) -> None:
        """Return when it is ready; cancel it for a deadline."""
        spec = self._spec
        self.missing = f"it must live for {spec.start_window_s:g} s"
        await asyncio.sleep(spec.start_window_s)
        if self._settled is not None and (spec.ports or self._check is not None):
            self._settled()
        for port in spec.ports:
            self.missing = f"port {port} does not answer"
            self.details = {"probe": "port", "host": spec.host, "port": port}
            await wait_until_answers(spec.host, port)
        pause = _FIRST_PAUSE_S
        while self._check is not None:
            verdict = await self._check()
            if verdict.ready:
                self.said = verdict
                return
            self.missing = verdict.reason or verdict.health.value
            self.details = verdict.details
            await asyncio.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE_S)
