"""Fifty services asked for at once, over fifty connections, until the last one runs."""

import time

import orjson

from bench.report import times, topic
from bench.stack import FirstInstruction, post, running

COUNT = 50
ROUNDS = 10


def main() -> None:
    """Measure and print milliseconds."""
    report = FirstInstruction()
    blocks = {
        f"bench{i}": {
            "process_name": f"Bench {i}",
            "command": report.command(f"b{i}"),
            "start_window": 0,
            "stop_signal": "KILL",
        }
        for i in range(COUNT)
    }
    last: list[float] = []
    answered: list[float] = []
    with running(blocks) as stack:
        connections = [stack.connection() for _ in range(COUNT)]
        for connection in connections:
            connection.request("GET", "/livez")
            connection.getresponse().read()
        for _ in range(ROUNDS):
            began = time.perf_counter()
            for i, connection in enumerate(connections):
                body = orjson.dumps({"process_name": f"Bench {i}"})
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/process/start-service", body, headers)
            up: set[str] = set()
            at = began
            while len(up) < COUNT:
                at, names = report.read()
                up.update(names)
            last.append((at - began) * 1000)
            for connection in connections:
                response = connection.getresponse()
                body = response.read()
                assert response.status == 200, body
            answered.append((time.perf_counter() - began) * 1000)
            for i in range(COUNT):
                status, _ = post(
                    connections[i], "/process/stop-service", {"process_name": f"Bench {i}"}
                )
                assert status == 200
    report.close()
    topic(f"{COUNT} services asked at once, {ROUNDS} rounds")
    times("request to the last one's first instruction", last, p50=250)
    times("request to the last answer", answered)


if __name__ == "__main__":
    main()
