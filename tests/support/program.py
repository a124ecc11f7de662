"""One of the programs as a process over a data directory of the test's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from redis import Redis

from shared.bus.keys import Keys
from tests.support.wait import wait_until_sync

PROJECT = Path(__file__).resolve().parents[2]


class ProgramProcess:
    """Starts, kills and ends a program. `redis` is for assertions."""

    def __init__(self, home: Path, redis_url: str, output: str, *argv: str) -> None:
        """`output` names the file in `home` that takes what it prints; `argv` is for Python."""
        self.home = home
        self.redis_url = redis_url
        self.redis = Redis.from_url(redis_url, protocol=2)
        self.keys = Keys()
        self.output = home / output
        self._argv = argv
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether there is one."""
        return self._process is not None and self._process.poll() is None

    def launch(self, ready: Callable[[], object] | None, what: str) -> None:
        """Start it, and wait until `ready` says that this very process is."""
        env = {
            **os.environ,
            "DUMB_HOME": str(self.home),
            "REDIS_URL": self.redis_url,
            "PYTHONPATH": str(PROJECT),
        }
        env.pop("DUMB_CONFIG", None)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *self._argv],
                cwd=PROJECT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if ready is not None:
            wait_until_sync(ready, timeout=20, what=what)

    def kill(self) -> None:
        """SIGKILL to this process alone: what it did not write down is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 30) -> int:
        """Ask it to end and wait; its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout)
        self._process = None
        return code

    def close(self) -> None:
        """End it however it stands."""
        if self.runs:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self.redis.close()
