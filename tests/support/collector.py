"""A real metrics collector as a process."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
from redis import Redis

from shared.bus.keys import Keys
from tests.support.wait import wait_until_sync

PROJECT = Path(__file__).resolve().parents[2]


class CollectorProcess:
    """Starts, kills and ends `python -m services.metrics`. `redis` is for assertions."""

    def __init__(self, home: Path, redis_url: str) -> None:
        self.home = home
        self.redis_url = redis_url
        self.redis = Redis.from_url(redis_url, protocol=2)
        self.keys = Keys()
        self.output = home / "metrics.out"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the collector that runs now."""
        assert self._process is not None
        return self._process.pid

    def start(self, *, ready: bool = True) -> None:
        """Start it; `ready` waits for the first sample of this very process."""
        env = {**os.environ, "DUMB_HOME": str(self.home), "REDIS_URL": self.redis_url}
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.metrics"],
                cwd=PROJECT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if ready:
            wait_until_sync(self.collects, timeout=20, what="the first sample")

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

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, timeout: float = 10) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(timeout)
        self._process = None
        return code

    def close(self) -> None:
        """End it however it stands."""
        self.kill()
        self.redis.close()
