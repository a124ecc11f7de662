"""What health checks cost the supervisor: fifty services, one check each every five seconds."""

import subprocess
import sys
import time
from typing import Any

import psutil

from bench.report import figure
from bench.stack import running
from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

COUNT = 50
INTERVAL_S = 5.0
SECONDS = 30.0
TARGET = 2
NEVER_S = 86_400.0

SERVER = """
import asyncio, sys

ANSWER = b'HTTP/1.1 200 OK\\r\\nContent-Length: 15\\r\\n\\r\\n{"status":"OK"}'

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(ANSWER)
    writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""


def main() -> None:
    """Measure each kind of probe, and the same fleet without checks."""
    port = free_port()
    quiet = subprocess.DEVNULL  # it is told of every port check that says nothing
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stderr=quiet)
    kinds: dict[str, dict[str, Any]] = {
        "none": {"kind": "process", "interval": NEVER_S},
        "process": {"kind": "process"},
        "tcp": {"kind": "tcp", "port": port},
        "http": {"kind": "http", "port": port, "path": "/ping"},
        "exec": {"kind": "exec", "command": ["true"]},
    }
    try:
        idle = 0.0
        for name, probe in kinds.items():
            used = _measure({"interval": INTERVAL_S, **probe})
            idle = used if name == "none" else idle
            each = (used - idle) / 100 / (COUNT / INTERVAL_S) * 1000
            figure(
                f"supervisor, {COUNT} services, {name} every {INTERVAL_S:g} s",
                f"{used:.2f} % of a core, {each:.2f} ms a check",
                f"<= {TARGET} %",
                met=used <= TARGET,
            )
    finally:
        server.kill()
        server.wait()


def _measure(probe: dict[str, Any]) -> float:
    """Percent of a core."""
    blocks = {
        f"bench{i}": {
            "process_name": f"Bench {i}",
            "command": ["sleep", "100000"],
            "enabled": True,
            "start_window": 0,
            "health": {"liveness": probe},
        }
        for i in range(COUNT)
    }
    with running(blocks, startup={"stabilization_seconds": 0}) as stack:
        process = psutil.Process(stack.supervisor.pid)
        wait_until_sync(
            lambda: len([p for p in process.children() if p.name() == "sleep"]) == COUNT,
            timeout=60,
            what="50 services",
        )
        time.sleep(INTERVAL_S)  # every one of them was checked once, and what was news is written
        before = sum(process.cpu_times()[:2])
        time.sleep(SECONDS)
        return (sum(process.cpu_times()[:2]) - before) / SECONDS * 100


if __name__ == "__main__":
    main()
