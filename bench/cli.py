"""How long a user waits for `dumb`: whole processes, from their start to their end."""

import os
import subprocess
import time

from bench.report import times, topic
from bench.stack import PROJECT, Stack, running

ROUNDS = 20
SERVICES = {
    f"idle{i}": {"process_name": f"Idle {i}", "command": ["sleep", "100000"], "enabled": True}
    for i in range(20)
}
COMMANDS = (
    ("--help",),
    ("status",),
    ("status", "--json"),
    ("logs", "DUMB API"),
    ("config", "get", "puid"),
    ("restart", "Idle 0"),
)


def main() -> None:
    """Run each command several times against an API with 20 services."""
    topic(f"The command line, {len(SERVICES)} services, start of the process to its end")
    with running(SERVICES) as stack:
        for command in COMMANDS:
            measured = [_run(stack, command) for _ in range(ROUNDS)]
            times(f"dumb {' '.join(command)}", measured)


def _run(stack: Stack, command: tuple[str, ...]) -> float:
    """Milliseconds."""
    environ = {
        **os.environ,
        "DUMB_HOME": str(stack.home),
        "DUMB_API_URL": f"http://127.0.0.1:{stack.port}",
    }
    began = time.perf_counter()
    subprocess.run(
        [str(PROJECT / "dumb"), *command], env=environ, check=True, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - began) * 1000
