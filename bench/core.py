"""`start-core-service` of a stack, against the sum of readiness along its longest path.

Three core services with two instances each need four others, two and two in a row; everything is
ready 100 ms after its start. The floor of the longest path is 300 ms.
"""

import time
from typing import Any

from bench.report import times, topic
from bench.stack import post, running

ROUNDS = 10
READY_S = 0.1
CORES = ("sonarr", "radarr", "lidarr")
INSTANCES = ("Default", "Second")
NEEDED = {
    "Mount": {},
    "Provider": {"Mount": "ready"},
    "Database": {},
    "Cache": {"Database": "ready"},
}
FLOOR_MS = 3 * READY_S * 1000


def _block(name: str, needs: dict[str, str]) -> dict[str, Any]:
    return {
        "process_name": name,
        "enabled": False,
        "command": ["sleep", "1000"],
        "config_dir": "work",
        "start_window": READY_S,
        "depends_on": needs,
        "stop_signal": "KILL",
    }


def main() -> None:
    """Measure and print milliseconds."""
    on = {"Provider": "ready", "Cache": "ready"}
    services: dict[str, Any] = {
        f"needed{at}": _block(name, needs) for at, (name, needs) in enumerate(NEEDED.items())
    }
    for core in CORES:
        blocks = {name: _block(f"{core} {name}", on) for name in INSTANCES}
        services[core] = {"instances": blocks}
    body = {
        "core_services": [
            {"name": core, "instance_name": name} for core in CORES for name in INSTANCES
        ]
    }
    first: list[float] = []
    again: list[float] = []
    with running(services) as stack:
        connection = stack.connection()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            status, answer = post(connection, "/process/start-core-service", body)
            (again if first else first).append((time.perf_counter() - began) * 1000)
            assert status == 200, answer
            assert len(answer["results"]) == len(CORES) * len(INSTANCES)
            stop = {"action": "stop", "all": True}
            status, answer = post(connection, "/process/actions", stop)
            assert status == 200, answer
    count = len(CORES) * len(INSTANCES) + len(NEEDED)
    topic(f"start-core-service: {count} services, floor {FLOOR_MS:.0f} ms, {ROUNDS} rounds")
    times("the first one, which changes the configuration", first)
    times("the others", again, p50=FLOOR_MS + 100)


if __name__ == "__main__":
    main()
