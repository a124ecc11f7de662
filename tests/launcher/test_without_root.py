"""The whole control plane as an ordinary user, which is also the user of its services."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis

from services.launcher.programs import NAMES
from tests.launcher.running import ROOT, Running
from tests.support.wait import wait_until_sync

AS_USER = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--"]


def _as_user() -> list[str]:
    """What runs a command as user 1000, who can use this interpreter; [] if nothing does."""
    if os.geteuid() != 0:
        return []
    kept = Path(sys.base_prefix).resolve()
    closed = [path for path in reversed(kept.parents) if not path.stat().st_mode & 0o001]
    script = str(ROOT / "tests" / "programs" / "as_user.sh")
    opening = ["unshare", "--mount", "/bin/sh", script, *map(str, [*closed[:1], kept])]
    prefix = opening if closed else AS_USER
    with contextlib.suppress(OSError):
        command = [*prefix, sys.executable, "-c", "import uvloop, services"]
        if subprocess.run(command, cwd=ROOT, check=False, capture_output=True).returncode == 0:
            return prefix
    return []


PREFIX = _as_user()
pytestmark = pytest.mark.skipif(not PREFIX, reason="needs root, and an interpreter for user 1000")

SPY = """
while ! [ -s pids ]; do sleep 0.05; done
for pid in $(cat pids); do
    cat /proc/$pid/environ >seen 2>/dev/null && echo environ $pid >>opened
    head -c 1 /proc/$pid/mem >/dev/null 2>denied; grep -q denied denied || echo mem $pid >>opened
    ls /proc/$pid/fd >/dev/null 2>&1 && echo fd $pid >>opened
done
cat /proc/self/environ >own
touch done
exec sleep 1000
"""


class Plain:
    """`dumb up` of user 1000, with one service."""

    def __init__(self, running: Running, redis_url: str) -> None:
        self.running = running
        self.redis = Redis.from_url(redis_url, protocol=2)
        self.work = running.home / "work"
        block = {
            "enabled": True,
            "process_name": "Spy",
            "command": ["/bin/sh", "-c", SPY],
            "config_dir": str(self.work),
            "start_window": 0,
        }
        self.work.mkdir(parents=True)
        config = {"dumb": {"startup": {"stabilization_seconds": 0}}, "spy": block}
        (running.home / "dumb_config.json").write_bytes(orjson.dumps(config))
        top = running.home.parent
        top.chmod(0o755)
        for path in (top, *top.rglob("*")):
            os.chown(path, 1000, 1000, follow_symlinks=False)
        mine = {"REDIS_URL": redis_url, "HOME": str(top)}
        self.environ = running.environ | mine
        with running.output.open("wb") as out:
            command = [*PREFIX, sys.executable, "-m", "services.launcher", "up"]
            self.launcher = subprocess.Popen(
                command, cwd=ROOT, env=self.environ, stdout=out, stderr=out
            )
        running.launchers.append(self.launcher)

    def ask(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A program of that user."""
        argv = [*PREFIX, *command]
        return subprocess.run(
            argv,
            env=self.environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def programs(self) -> dict[str, int]:
        """Ours, by name, that are children of the launcher."""
        found = {"launcher": self.launcher.pid}
        children = Path(f"/proc/{self.launcher.pid}/task/{self.launcher.pid}/children").read_text()
        for pid in children.split():
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if len(argv) > 2 and argv[2].startswith(b"services."):
                found[argv[2].decode().removeprefix("services.")] = int(pid)
        return found

    def supervisor(self) -> int:
        """Of the heartbeat, once its boot is over."""
        pid, phase = self.redis.hmget("dumb:supervisor", "pid", "phase")
        return int(pid) if pid and phase == b"ready" else 0

    def service(self) -> int:
        raw: Any = self.redis.hget("dumb:service:Spy", "pid")
        return int(raw or 0)


@pytest.fixture
def plain(running: Running, redis_url: str) -> Iterator[Plain]:
    found = Plain(running, redis_url)
    try:
        wait_until_sync(
            lambda: "Ctrl-C stops" in running.printed(), timeout=40, what=running.printed()
        )
        wait_until_sync(lambda: found.supervisor() and found.service(), what="the supervisor")
        yield found
    finally:
        found.ask(sys.executable, "-m", "services.launcher", "down")
        found.redis.close()


def test_a_service_sees_nothing_of_our_programs_and_all_of_it_goes_on(plain: Plain) -> None:
    programs = plain.programs()
    assert set(programs) == {"launcher", *NAMES}
    (plain.work / "pids.new").write_text(" ".join(map(str, programs.values())))
    (plain.work / "pids.new").rename(plain.work / "pids")
    wait_until_sync((plain.work / "done").exists, what="the spy")
    assert not (plain.work / "opened").exists(), (plain.work / "opened").read_text()
    assert b"DUMB_HOME" in (plain.work / "own").read_bytes()
    service = plain.service()
    seen = plain.ask("cat", f"/proc/{service}/environ")
    assert "DUMB_HOME" in seen.stdout, "the service itself can be looked into, as usual"

    def measured() -> bool:
        latest: Any = plain.redis.get("dumb:metrics:latest")
        rows = orjson.loads(latest or b"{}").get("dumb_managed", [])
        return any(row["name"] == "Spy" and row["disk_io"] is not None for row in rows)

    wait_until_sync(measured, what="a sample of the service")

    former = plain.supervisor()
    os.kill(former, 9)
    wait_until_sync(lambda: plain.supervisor() not in {0, former}, timeout=20, what="the next")
    assert plain.service() == service
    former = plain.supervisor()
    done = plain.ask(sys.executable, "-m", "services.cli", "supervisor", "upgrade")
    assert done.returncode == 0, done.stderr
    wait_until_sync(lambda: plain.supervisor() not in {0, former}, timeout=20, what="a successor")
    assert plain.service() == service
    assert plain.redis.hget("dumb:service:Spy", "generation") == b"1"
    for pid in plain.programs().values():
        assert not plain.ask("cat", f"/proc/{pid}/environ").stdout
