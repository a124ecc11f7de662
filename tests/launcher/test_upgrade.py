"""`dumb supervisor upgrade` under a real `dumb up`: a real supervisor, real services."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis

from services.launcher.programs import program_table
from shared.exits import Exit
from tests.launcher.running import ROOT, Running
from tests.launcher.test_up import down
from tests.support.wait import wait_until_sync

COUNTER = "n=0; while :; do n=$((n+1)); echo line $n; sleep 0.02; done"
DEAF = "trap '' TERM; echo up >up; while :; do sleep 0.1; done"


def _sample(**services: str) -> bytes:
    """A configuration of services that are a line of shell each."""
    blocks: dict[str, Any] = {
        name: {
            "enabled": True,
            "process_name": name,
            "command": ["/bin/sh", "-c", script],
            "config_dir": f"work/{name}",
            "start_window": 0,
            "stop_attempts": 1,
            "stop_wait": 0.3,
        }
        for name, script in services.items()
    }
    return orjson.dumps({"dumb": {"startup": {"stabilization_seconds": 0}}, **blocks})


def _upgrade(running: Running, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "supervisor", "upgrade"],
        env=running.environ | environ,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Live:
    """A launcher with nothing but the real supervisor."""

    def __init__(self, running: Running, redis_url: str, sample: bytes) -> None:
        running.sample.write_bytes(sample)
        supervisor = next(p for p in program_table(running.home / "run") if p.lock is not None)
        self.running = running
        self.launcher = running.up(supervisor, REDIS_URL=redis_url)
        self.redis = Redis.from_url(redis_url, protocol=2)

    def close(self) -> None:
        """Stop it all, supervisor and services included, whoever runs still."""
        down(self.running)
        self.redis.close()

    def field(self, name: str, field: str) -> str:
        raw: Any = self.redis.hget(f"dumb:service:{name}", field)
        return (raw or b"").decode()

    def pid(self) -> str:
        """Of the supervisor whose heartbeat is there and whose boot is over."""
        raw: Any = self.redis.hmget("dumb:supervisor", "pid", "phase")
        return raw[0].decode() if raw[0] and raw[1] == b"ready" else ""

    def wait_ready(self, former: str = "") -> str:
        wait_until_sync(lambda: self.pid() not in {"", former}, timeout=20, what="a supervisor")
        return self.pid()

    def lines(self) -> list[int]:
        """The numbers of the lines of `counter` that are in its log."""
        entries: Any = self.redis.xrange("dumb:log:counter")
        data = b"".join(fields[b"chunk"] for _, fields in entries)
        return [int(line.split()[-1]) for line in data.splitlines() if b"line " in line]


Start = Callable[[bytes], Live]


@pytest.fixture
def start(running: Running, redis_url: str) -> Iterator[Start]:
    """Starts a launcher over a configuration; it is stopped at the end."""
    with ExitStack() as stack:

        def start(sample: bytes) -> Live:
            live = Live(running, redis_url, sample)
            stack.callback(live.close)
            return live

        yield start


@pytest.fixture
def live(start: Start) -> Live:
    return start(_sample(counter=COUNTER))


def test_an_upgrade_changes_the_supervisor_and_no_service(live: Live) -> None:
    former = live.wait_ready()
    service = live.field("counter", "pid")
    done = _upgrade(live.running)
    assert done.returncode == 0, done.stderr
    present = live.wait_ready(former)
    assert done.stdout == (
        f"The supervisor is pid {present} now (was {former}); the services went on running.\n"
    )
    assert live.field("counter", "pid") == service
    assert live.field("counter", "generation") == "1"
    assert "supervisor has handed over; starting the next one." in live.running.printed()
    last = live.lines()[-1]
    wait_until_sync(lambda: live.lines()[-1] > last + 20, what="more lines")
    assert live.lines() == list(range(1, live.lines()[-1] + 1))
    command: Any = live.redis.xadd(
        "dumb:triggers", {"action": "restart", "process_name": "counter"}
    )
    wait_until_sync(
        lambda: live.redis.hget(f"dumb:command:{command.decode()}", "status") == b"succeeded",
        what="a command to the successor",
    )
    assert live.running.stop(live.launcher) == 0


BROKEN = "import sys\nif 'services.supervisor' in sys.orig_argv: sys.exit('this is broken')\n"


def test_a_version_that_does_not_start_changes_nothing(live: Live, tmp_path: Path) -> None:
    former = live.wait_ready()
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    done = _upgrade(live.running, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 1
    assert "so the old one stays: " in done.stderr
    assert "this is broken" in done.stderr
    assert live.pid() == former


def test_without_a_supervisor_or_a_launcher_it_says_so(running: Running, start: Start) -> None:
    assert _upgrade(running).returncode == Exit.UNAVAILABLE
    live = start(_sample(counter=COUNTER))
    former = live.wait_ready()
    live.launcher.kill()
    live.launcher.wait()
    refused = _upgrade(running)
    assert refused.returncode == Exit.UNAVAILABLE
    assert f"kill -USR2 {former}" in refused.stderr


def test_dumb_up_ends_with_the_code_of_a_supervisor_that_had_to_kill(start: Start) -> None:
    live = start(_sample(deaf=DEAF))
    live.wait_ready()
    wait_until_sync((live.running.home / "work/deaf/up").exists, what="the deaf one")
    assert live.running.stop(live.launcher) == Exit.KILLED
