"""A whole installation for the command line: Redis, a supervisor, an API, each a real process."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import pytest

from services.cli.app import build
from services.cli.desk import Desk
from tests.support.program import PROJECT
from tests.support.redis_server import PrivateRedis, find_redis_server, free_port
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

DUMB = PROJECT / "dumb"
TALK = 'i=0; while :; do i=$((i+1)); echo "INFO line $i"; sleep 0.05; done'
SERVICES: dict[str, Any] = {
    "web": {
        "enabled": True,
        "process_name": "Web Server",
        "command": ["sleep", "1000"],
        "api_key": "k-12345",
        "env": {"PLAIN": "shown"},
    },
    "talker": {"enabled": True, "process_name": "Talker", "command": ["sh", "-c", TALK]},
    "off": {"enabled": False, "process_name": "Off", "command": ["sleep", "1000"]},
    "broken": {
        "enabled": False,
        "process_name": "Broken",
        "command": ["sh", "-c", "echo ERROR no key; exit 3"],
    },
    "slow": {
        "enabled": False,
        "process_name": "Slow",
        "command": ["sleep", "1000"],
        "start_window": 60,
    },
    "stubborn": {
        "enabled": False,
        "process_name": "Stubborn",
        "command": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
        "stop_attempts": 1,
        "stop_wait": 1,
    },
}


@dataclass(frozen=True)
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Rig:
    """One installation, and `dumb` as a user types it there."""

    redis: PrivateRedis
    supervisor: SupervisorProcess
    api_port: int = field(default_factory=free_port)
    _api: "subprocess.Popen[bytes] | None" = None

    @property
    def home(self) -> Path:
        return self.supervisor.home

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def logins(self) -> Path:
        return self.home / "xdg" / "dumb" / "logins.json"

    def environ(self, **more: str) -> dict[str, str]:
        drop = ("DUMB_", "REDIS", "NO_COLOR", "COLUMNS", "LINES", "EDITOR", "VISUAL", "FORCE_COLOR")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        return {
            **kept,
            "DUMB_HOME": str(self.home),
            "REDIS_URL": self.redis.url,
            "DUMB_API_SERVICE_PORT": str(self.api_port),
            "XDG_CONFIG_HOME": str(self.home / "xdg"),
            "TERM": "xterm-256color",
            **more,
        }

    def dumb(self, *arguments: str, typed: str = "", env: Mapping[str, str] | None = None) -> Done:
        """`dumb` in a pipe with `typed` as its input, in this process: that saves its start."""
        output, errors = io.StringIO(), io.StringIO()
        code = 0
        with (
            redirect_stdout(output),
            redirect_stderr(errors),
            mock.patch("sys.stdin", io.StringIO(typed)),
        ):
            try:
                build()(
                    args=list(arguments), prog_name="dumb", obj=Desk(self.environ(**(env or {})))
                )
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, output.getvalue(), errors.getvalue())

    def process(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """`./dumb` as a process of its own."""
        done = subprocess.run(
            [str(DUMB), *arguments],
            env=self.environ(**(env or {})),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def says(self, *arguments: str, **options: Any) -> str:
        """Standard output of a command that succeeds."""
        done = self.dumb(*arguments, **options)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def refused(self, *arguments: str, code: int = 1, **options: Any) -> str:
        """Standard error of a command that ends with `code`: sentences, no trace."""
        done = self.dumb(*arguments, **options)
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done.stderr

    def add_services(self, services: Mapping[str, Any]) -> None:
        """Edit the file by hand and wait until they are known."""
        tree = json.loads(self.supervisor.config.read_text()) | services
        self.supervisor.config.write_text(json.dumps(tree))
        for service in services.values():
            self.supervisor.wait_status(service["process_name"], "stopped")

    def start_api(self, **more: str) -> None:
        """Start the API, with `more` in its environment, and wait until it is ready."""
        self._api = subprocess.Popen(
            [sys.executable, "-m", "services.api"],
            cwd=PROJECT,
            env=self.environ(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_sync(self._ready, timeout=20, what="the API is ready")

    def kill_api(self) -> None:
        if self._api is not None:
            self._api.kill()
            self._api.wait()
            self._api = None

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.base}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    """Started, with `SERVICES`; the tests of one file share it."""
    directory = Path(tempfile.mkdtemp(prefix="dumb-cli-"))
    redis = PrivateRedis(find_redis_server(), directory / "redis")
    redis.start()
    found = Rig(redis, SupervisorProcess(directory / "home", redis.url, SERVICES))
    try:
        found.supervisor.start()
        found.start_api()
        for service in SERVICES.values():
            if service["enabled"]:
                found.supervisor.wait_status(service["process_name"], "running")
        yield found
    finally:
        found.kill_api()
        found.supervisor.close()
        redis.stop()
        shutil.rmtree(directory)
