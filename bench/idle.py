"""Memory and CPU of the whole control plane with fifty services that do nothing."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import psutil

from bench.report import figure, topic
from bench.stack import PROJECT
from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

COUNT = 50
SECONDS = 30.0


def main() -> None:
    """Start everything as `make run` does, wait, and print what it uses."""
    home = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
    port = free_port()
    services = {
        f"idle{i}": {
            "process_name": f"Idle {i}",
            "command": ["sleep", "100000"],
            "enabled": True,
        }
        for i in range(COUNT)
    }
    api = {"process_name": "DUMB API", "host": "127.0.0.1", "port": port}
    config = {"puid": 0, "pgid": 0, "dumb": {"api_service": api}, **services}
    (home / "dumb_config.json").write_bytes(orjson.dumps(config))
    env = {**os.environ, "DUMB_HOME": str(home)}
    env.pop("REDIS_URL", None)
    with (home / "up.out").open("wb") as output:
        launcher = subprocess.Popen(
            [sys.executable, "-m", "services.launcher"],
            cwd=PROJECT,
            env=env,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until_sync(lambda: _running(launcher.pid) == COUNT, timeout=60, what="50 services")
        time.sleep(5)  # the measurement is of idleness, so first let it become idle
        programs = [p for p in _tree(launcher.pid) if p.name() != "sleep"]
        before = [sum(p.cpu_times()[:2]) for p in programs]
        time.sleep(SECONDS)
        total_memory = total_cpu = 0.0
        topic(f"Idle, everything that `make run` starts, with {COUNT} services")
        for process, start in zip(programs, before, strict=True):
            memory = process.memory_full_info().pss / 1e6
            cpu = (sum(process.cpu_times()[:2]) - start) / SECONDS * 100
            total_memory += memory
            total_cpu += cpu
            figure(_named(process), f"{memory:.1f} MB, {cpu:.2f} % of a core")
        name = "resident memory, shared pages counted once"
        figure(name, f"{total_memory:.0f} MB", "250 MB", met=total_memory <= 250)
        figure("CPU", f"{total_cpu:.2f} % of a core", "1 %", met=total_cpu <= 1)
    finally:
        launcher.terminate()
        launcher.wait(60)
        shutil.rmtree(home, ignore_errors=True)


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def _named(process: psutil.Process) -> str:
    """`services.api` and the like, else the program."""
    module = [part for part in process.cmdline() if part.startswith("services.")]
    return module[0] if module else process.name()


def _running(pid: int) -> int:
    try:
        return sum(1 for process in _tree(pid) if process.name() == "sleep")
    except psutil.Error:
        return 0


if __name__ == "__main__":
    main()
