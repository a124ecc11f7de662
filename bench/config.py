"""`GET /config` and a persisted `POST /config`, and kills during 1,000 persisted updates."""

import http.client
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from bench.report import figure, percentiles, topic
from bench.stack import post, running
from tests.support.config_kills import kill_at_random
from tests.support.redis_server import PrivateRedis, find_redis_server
from tests.support.supervisor import SupervisorProcess

READS = 3000
WRITES = 500
PAGE_LOADS = 1000
KILL_UPDATES = 1000
PROJECT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Measure and print."""
    sample = json.loads((PROJECT / "dumb_config.json").read_bytes())
    blocks = {key: value for key, value in sample.items() if key not in {"dumb", "puid", "pgid"}}
    for key in [key for key in blocks if key.startswith("demo")]:
        blocks[key]["enabled"] = False
    with running(blocks) as stack:
        connection = stack.connection()
        size = stack.supervisor.config.stat().st_size
        topic(f"Configuration of {size} bytes, one connection")
        _measure("GET /config", READS, lambda _: _get(connection))
        _measure("GET /config?masked=1", READS // 10, lambda _: _get(connection, "?masked=1"))
        _measure("POST /config, persisted", WRITES, lambda n: _write(connection, n))
        _measure("POST /config, in memory", WRITES, lambda n: _write(connection, n, persist=False))
        _measure("POST /config, dumb.ui changed", WRITES, lambda n: _page_load(connection, n))
        _measure("POST /config, dumb.ui the same", PAGE_LOADS, lambda _: _page_load(connection, 0))
        _fill_page_memory(connection)
        _measure("GET /config, dumb.ui of 64 KiB", READS, lambda _: _get(connection))
        masked = "?masked=1"
        _measure("GET /config?masked=1, as before", READS // 10, lambda _: _get(connection, masked))
    _kills()


def _measure(name: str, rounds: int, call: Callable[[int], Any]) -> None:
    taken = []
    for number in range(rounds):
        began = time.perf_counter()
        call(number)
        taken.append((time.perf_counter() - began) * 1000)
    figure(name, f"{rounds / sum(taken) * 1000:.0f}/s  {percentiles(taken)} ms")


def _get(connection: http.client.HTTPConnection, query: str = "") -> None:
    connection.request("GET", f"/config{query}")
    response = connection.getresponse()
    response.read()
    assert response.status == 200


def _write(connection: http.client.HTTPConnection, number: int, *, persist: bool = True) -> None:
    updates = {"env": {"N": str(number), "P": str(persist)}}
    body = {"process_name": "Sonarr", "updates": updates, "persist": persist}
    status, answer = post(connection, "/config", body)
    assert status == 200, answer


def _page_load(connection: http.client.HTTPConnection, number: int) -> None:
    status, answer = post(connection, "/config", {"updates": {"dumb": {"ui": {"n": number}}}})
    assert status == 200, answer


def _fill_page_memory(connection: http.client.HTTPConnection) -> None:
    """As many values as fit: what costs most to render."""
    ui = {"n": 0, "many": {f"k{number:04d}": [number % 10, "x"] for number in range(3900)}}
    size = len(orjson.dumps(ui))
    assert 60 << 10 < size <= 64 << 10, size
    status, answer = post(connection, "/config", {"updates": {"dumb": {"ui": ui}}})
    assert status == 200, answer


def _kills() -> None:
    web = {"web": {"process_name": "Web", "enabled": False, "command": ["sleep", "100"]}}
    with tempfile.TemporaryDirectory(prefix="dumb-bench-") as directory:
        redis = PrivateRedis(find_redis_server(), Path(directory) / "redis")
        redis.start()
        boss = SupervisorProcess(Path(directory) / "home", redis.unix_url, web)
        try:
            boss.start()
            tally = kill_at_random(boss, KILL_UPDATES, seed=time.time_ns())
            size = len(orjson.dumps(orjson.loads(boss.config.read_bytes())))
        finally:
            boss.close()
            redis.stop()
    topic(f"kill -9 of the supervisor during {tally.updates} persisted updates ({size} bytes)")
    figure("kills", f"{tally.kills}, {tally.between} of them with updates still to do")
    figure("files that were neither old nor new, versions that disagreed, updates made twice", "0")


if __name__ == "__main__":
    main()
