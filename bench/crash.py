"""`kill -9` of a service until a `/ws/status` client has been told."""

import os
import signal
import time

import orjson
from websockets.sync.client import connect

from bench.report import times, topic
from bench.stack import post, running

ROUNDS = 200
NAME = "Bench Service"


def main() -> None:
    """Measure and print milliseconds."""
    block = {"bench": {"process_name": NAME, "command": ["sleep", "100000"], "start_window": 0}}
    delays: list[float] = []
    with running(block) as stack, connect(stack.url("/ws/status?health=true&interval=10")) as ws:
        connection = stack.connection()
        for _ in range(ROUNDS):
            status, body = post(connection, "/process/start-service", {"process_name": NAME})
            assert status == 200, body
            while _entry(ws.recv()) != "running":
                pass
            pid = int(stack.supervisor.service(NAME)["pid"])
            began = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            while _entry(ws.recv()) != "stopped":
                pass
            delays.append((time.perf_counter() - began) * 1000)
    topic(f"kill -9 of a service, {ROUNDS} rounds")
    times("kill -9 to the event at a /ws/status client", delays, p50=10)


def _entry(frame: str | bytes) -> str | None:
    for process in orjson.loads(frame)["processes"]:
        if process["process_name"] == NAME:
            return str(process["status"])
    return None


if __name__ == "__main__":
    main()
