"""What the tests against a running supervisor share: its services and how they are looked at."""

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from redis.client import PubSub

from tests.support.redis_server import PrivateRedis
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

PROGRAMS = Path(__file__).resolve().parents[1] / "programs"
SLEEP = ["sleep", "1000"]
AT_ONCE = 0.0
"""A start window: the service counts as started as soon as it is spawned."""


def service(name: str, command: Any = SLEEP, **block: Any) -> dict[str, Any]:
    """A block, its working directory below DUMB_HOME, quick by default."""
    defaults = {
        "process_name": name,
        "enabled": False,
        "command": command,
        "config_dir": f"work/{name}",
        "start_window": AT_ONCE,
        "stop_wait": 5,
        "stop_attempts": 1,
    }
    return defaults | block


def shell(name: str, script: str, **block: Any) -> dict[str, Any]:
    """A service that is a line of shell."""
    return service(name, ["/bin/sh", "-c", script], **block)


def program(name: str, file: str, **block: Any) -> dict[str, Any]:
    """A service that is a file of tests/programs."""
    return service(name, [str(PROGRAMS / file)], **block)


def gated_port(name: str, port: int, **block: Any) -> dict[str, Any]:
    """A service whose port answers once `open_gate` was called for it."""
    command = [sys.executable, "-I", "-S", str(PROGRAMS / "port.py"), "{port}"]
    return service(name, command, port=port, start_timeout=20, **block)


def tree(*blocks: dict[str, Any]) -> dict[str, Any]:
    """Blocks as root keys of a configuration."""
    return {f"key{number}": block for number, block in enumerate(blocks)}


@contextmanager
def supervisor(home: Path, redis: PrivateRedis, *blocks: dict[str, Any]) -> Iterator["Boss"]:
    """A supervisor on an empty Redis, ended with everything that it started."""
    redis.flush()
    boss = Boss(home, redis.url, tree(*blocks))
    try:
        boss.start()
        yield boss
    finally:
        boss.close()


class Boss(SupervisorProcess):
    """A supervisor, and shorter words for what tests ask of it."""

    def wait(self) -> int:
        """Wait for an end that comes by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(15)

    def work(self, name: str, file: str = "") -> Path:
        """The working directory of a service, or a file in it."""
        return self.home / "work" / name / file

    def open_gate(self, name: str) -> None:
        """Let a gated program go on."""
        self.work(name).mkdir(parents=True, exist_ok=True)
        self.work(name, "go").touch()

    def wait_file(self, name: str, file: str) -> str:
        """What stands in a file of a service once it is there and not empty, or `up`."""
        path = self.work(name, file)
        wait_until_sync(path.exists, what=f"{path}")
        return path.read_text()

    def wait_pid(self, name: str, file: str) -> int:
        """A pid that a program wrote into a file."""
        path = self.work(name, file)
        wait_until_sync(lambda: path.exists() and path.read_text().strip(), what=f"{path}")
        return int(path.read_text())

    def steps(self, command_id: str) -> list[str]:
        """What happened to a command, without the times."""
        return [what for _, what in orjson.loads(self.receipt(command_id).get("steps") or "[]")]

    def pending(self, stream: str = "commands") -> int:
        """Entries that were read but not acknowledged."""
        answer: Any = self.redis.xpending(f"dumb:{stream}", "supervisor")
        return int(answer["pending"])

    def wait_acknowledged(self, stream: str = "commands") -> None:
        """Wait until nothing is pending."""
        wait_until_sync(lambda: self.pending(stream) == 0, what=f"{stream} acknowledged")

    def rejects(self) -> list[dict[str, str]]:
        """The stream of rejects as text."""
        entries: Any = self.redis.xrange("dumb:commands:rejected")
        return [
            {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in fields.items()}
            for _, fields in entries
        ]

    def listen(self, channel: str) -> PubSub:
        """A subscription that is in force."""
        listener: PubSub = self.redis.pubsub()  # type: ignore[no-untyped-call]
        listener.psubscribe(channel)
        assert listener.get_message(timeout=5) is not None
        return listener


def messages(listener: PubSub, enough: Any, timeout: float = 10) -> list[bytes]:
    """Messages until `enough(list)` holds."""
    found: list[bytes] = []

    def done() -> bool:
        while message := listener.get_message():
            found.append(message["data"])
        return bool(enough(found))

    wait_until_sync(done, timeout=timeout, what="messages")
    return found


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    with contextlib.suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return stat[stat.rindex(b")") + 2 :].split()[0] in {b"Z", b"X"}
    return True


def wait_gone(pid: int) -> None:
    """Wait until a process has ended."""
    wait_until_sync(lambda: gone(pid), what=f"the end of pid {pid}")


def is_root() -> bool:
    """Whether this run may become another user."""
    return os.geteuid() == 0
