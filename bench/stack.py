"""A whole control plane for one measurement: private Redis, supervisor, API, as processes."""

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.support.redis_server import PrivateRedis, find_redis_server, free_port
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Stack:
    """What runs, and how to talk to it."""

    home: Path
    redis: PrivateRedis
    supervisor: SupervisorProcess
    api_pid: int
    port: int

    def connection(self) -> http.client.HTTPConnection:
        """A kept-alive connection to the API."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def url(self, path: str) -> str:
        """A WebSocket URL."""
        return f"ws://127.0.0.1:{self.port}{path}"


def post(connection: http.client.HTTPConnection, path: str, body: Any) -> tuple[int, Any]:
    """One POST; status and decoded body."""
    connection.request("POST", path, orjson.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, orjson.loads(response.read() or b"null")


@contextlib.contextmanager
def running(services: Mapping[str, Any], **dumb: Any) -> Iterator[Stack]:
    """Start everything with these service blocks, and end it again."""
    home = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
    redis = PrivateRedis(find_redis_server(), home / "redis")
    redis.start()
    supervisor = SupervisorProcess(home, redis.unix_url, services)
    supervisor.write_config(services, **dumb)
    port = free_port()
    api: subprocess.Popen[bytes] | None = None
    try:
        supervisor.start()
        env = {
            **os.environ,
            "DUMB_HOME": str(home),
            "REDIS_URL": redis.unix_url,
            "DUMB_API_SERVICE_PORT": str(port),
        }
        with (home / "api.out").open("ab") as output:
            api = subprocess.Popen(
                [sys.executable, "-m", "services.api"],
                cwd=PROJECT,
                env=env,
                stdout=output,
                stderr=output,
            )
        stack = Stack(home, redis, supervisor, api.pid, port)
        wait_until_sync(lambda: _ready(stack), timeout=20, what="the API")
        yield stack
    finally:
        if api is not None:
            api.send_signal(signal.SIGTERM)
            api.wait(20)
        supervisor.close()
        redis.stop()
        shutil.rmtree(home, ignore_errors=True)


def _ready(stack: Stack) -> bool:
    connection = stack.connection()
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class FirstInstruction:
    """Children report here: the first thing that they do is to write their name into a FIFO."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="dumb-bench-fifo-"))
        self.path = self._directory / "fifo"
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR)

    def command(self, name: str) -> list[str]:
        """A program whose first instruction is to report `name`."""
        return ["/bin/sh", "-c", f"echo {name} > {self.path}; exec sleep 100000"]

    def read(self) -> tuple[float, list[str]]:
        """Wait for reports: the time (perf_counter) and the names that arrived together."""
        data = os.read(self._fd, 65536)
        return time.perf_counter(), data.decode().split()

    def close(self) -> None:
        """Remove the FIFO."""
        os.close(self._fd)
        shutil.rmtree(self._directory)
