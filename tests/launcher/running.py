"""A real `dumb up` of a test's own, in a process of its own."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

from services.launcher.programs import Program
from shared.exits import Exit
from tests.support.redis_server import free_port, only_on_path
from tests.support.wait import wait_until_sync

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = str(ROOT / "tests" / "programs" / "stand_in_program.py")


class Running:
    """One data directory, and the launchers that the test starts on it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "home"
        self.notes = directory / "notes"
        self.notes.mkdir(parents=True)
        self.sample = directory / "sample.json"
        self.sample.write_text('{"dumb": {}}')
        self.api_port = free_port()
        first = only_on_path(directory / "bin")  # the server that this test run is about
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DUMB_", "REDIS_"))},
            "DUMB_HOME": str(self.home),
            "DUMB_API_SERVICE_PORT": str(self.api_port),
            "STAND_IN_SAMPLE": str(self.sample),
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join([first, os.environ["PATH"]]),
        }
        self._names: set[str] = set()
        self.launchers: list[subprocess.Popen[bytes]] = []
        self.output = directory / "output"

    def supervisor(self, *options: str) -> Program:
        lock = self.home / "run" / "supervisor.lock"
        return Program(
            "supervisor",
            self._argv(
                "supervisor", "--lock", str(lock), *options, "--disguise", "services.supervisor"
            ),
            stop_rank=0,
            stop_s=20,
            outlives_launcher=True,
            lock=lock,
        )

    def api(self, *options: str) -> Program:
        argv = self._argv("api", "--http", str(self.api_port), *options)
        return Program("api", argv, stop_rank=1, stop_s=20)

    def up(self, *programs: Program, **environ: str) -> subprocess.Popen[bytes]:
        """Start a launcher; its output goes to `self.output`, both streams."""
        disguise = ["services.launcher"]  # `dumb down` looks for this in the command line
        rows = [
            {**dataclasses.asdict(p), "lock": str(p.lock) if p.lock else None} for p in programs
        ]
        with self.output.open("wb") as out:
            launcher = subprocess.Popen(
                [sys.executable, "-m", "tests.programs.stand_in_up", json.dumps(rows), *disguise],
                env={**self.environ, **environ},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.launchers.append(launcher)
        self._names = {program.name for program in programs}
        return launcher

    def until_ready(self) -> None:
        wait_until_sync(lambda: "Ctrl-C stops" in self.printed(), what="the launcher is ready")
        for name in self._names:
            line = f"{name:<10} | {name} is here"
            wait_until_sync(partial(self._has_printed, line), what=line)

    def refused(self, *programs: Program, code: Exit = Exit.FAILED, **environ: str) -> str:
        """What a launcher prints that must exit with `code`; one sentence, no trace."""
        launcher = self.up(*programs, **environ)
        assert launcher.wait(20) == code
        assert "Traceback" not in self.printed()
        return self.printed()

    def printed(self) -> str:
        return self.output.read_text()

    def _has_printed(self, line: str) -> bool:
        return line in self.printed()

    def noted(self, name: str) -> list[str]:
        """Lines of one of the stand-ins' files."""
        try:
            return (self.notes / name).read_text().splitlines()
        except FileNotFoundError:
            return []

    def pids(self, name: str) -> list[int]:
        """Of all runs of a stand-in so far, in order."""
        rows = [line.split() for line in self.noted("started")]
        return [int(pid) for who, pid in rows if who == name]

    def stop(self, launcher: subprocess.Popen[bytes]) -> int:
        launcher.send_signal(signal.SIGINT)
        return launcher.wait(30)

    def close(self) -> None:
        """End all that the test left running."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.kill()
                launcher.wait()
        for line in self.noted("started"):
            _kill(int(line.split()[1]))
        for line in self.noted("orphan"):
            _kill(int(line))
        wait_until_sync(lambda: not redis_pids(self.home), what="the private Redis has ended")

    def _argv(self, name: str, *options: str) -> tuple[str, ...]:
        return (sys.executable, STAND_IN, name, str(self.notes), *options)


def redis_pids(home: Path) -> list[int]:
    """Redis servers whose data directory is that of `home`."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and _cwd(entry) == home / "redis"
    ]


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie of somebody else's has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _cwd(entry: Path) -> Path | None:
    try:
        return (entry / "cwd").readlink()
    except OSError:
        return None


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
