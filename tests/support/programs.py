"""The programs as processes, told by their environment alone where everything is."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

PROJECT = Path(__file__).resolve().parents[2]
START_S = 30.0


class Program:
    """One `python -m services.<name>`. Its output goes to a file of its own."""

    def __init__(self, name: str, home: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        home.mkdir(parents=True, exist_ok=True)
        number = len(list(home.glob(f"{name}-*.out")))
        self.output = home / f"{name}-{number}.out"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DUMB_", "REDIS_"))}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{name}"],
                cwd=PROJECT,
                env={**inherited, "DUMB_HOME": str(home), **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def printed(self) -> str:
        """What it has written so far."""
        return self.output.read_text(errors="replace")

    def tell(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self, timeout: float = 20) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(timeout)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.tell()
            try:
                self.ended()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Api(Program):
    """One replica."""

    def __init__(self, home: Path, environ: Mapping[str, str], port: int = 0) -> None:
        self.port = port or free_port()
        address = {"DUMB_API_SERVICE_HOST": "127.0.0.1", "DUMB_API_SERVICE_PORT": str(self.port)}
        super().__init__("api", home, {**address, **environ})

    def client(self) -> httpx.Client:
        """To be closed by the caller."""
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def status(self, path: str) -> int:
        """Of one GET; 0 when nobody answers."""
        try:
            with self.client() as http:
                return http.get(path).status_code
        except httpx.TransportError:
            return 0

    def await_ready(self) -> None:
        """Return once `/readyz` is green."""
        try:
            wait_until_sync(lambda: self.status("/readyz") == 200, timeout=START_S)
        except TimeoutError:
            raise AssertionError(f"{self.name} is not ready: {self.printed()}") from None


def write_config(home: Path, services: Mapping[str, Any]) -> None:
    """A configuration file with these blocks in a data directory that may be new."""
    home.mkdir(parents=True, exist_ok=True)
    block = {"process_name": "DUMB API", "host": "127.0.0.1", "port": 8000}
    tree = {"puid": 0, "pgid": 0, "dumb": {"api_service": block}, **services}
    (home / "dumb_config.json").write_bytes(orjson.dumps(tree))
