"""A real metrics collector as a process."""

from pathlib import Path
from typing import Any

import orjson

from tests.support.program import ProgramProcess


class CollectorProcess(ProgramProcess):
    """Starts, kills and ends `python -m services.metrics`, and reads what it measured."""

    def __init__(self, home: Path, redis_url: str) -> None:
        super().__init__(home, redis_url, "metrics.out", "-m", "services.metrics")

    def start(self, *, ready: bool = True) -> None:
        """Start it; `ready` waits for the first sample of this very process."""
        self.launch(self.collects if ready else None, "the first sample")

    def collects(self) -> bool:
        """Whether samples of this process are in Redis."""
        found: Any = self.redis.hget(self.keys.metrics_collector, "pid")
        return bool(found == str(self.pid).encode())

    def latest(self) -> dict[str, Any]:
        """The snapshot in Redis; {} without one."""
        data: Any = self.redis.get(self.keys.metrics_latest)
        tree: dict[str, Any] = orjson.loads(data) if data else {}
        return tree

    def managed(self, name: str) -> dict[str, Any]:
        """A service's entry in the latest snapshot; {} without one."""
        entries = self.latest().get("dumb_managed", [])
        return next((entry for entry in entries if entry["name"] == name), {})
