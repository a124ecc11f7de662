"""Through the proxy, with 1, 2 and 3 replicas: requests per second, and how long commands take.

On two cores the load, HAProxy, Redis, the supervisor and the replicas share what there is, so the
figures say what a machine gives, not what a replica could.
"""

import http.client
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import orjson

from bench.report import figure, times, topic
from tests.deploy.flow import set_up
from tests.replicas.cluster import Cluster, haproxy
from tests.support.redis_server import PrivateRedis, find_redis_server

CLIENTS: Final = 8
READ_S: Final = 8.0
COMMANDS: Final = 40
SERVICE: Final = "Web Server"


def main() -> None:
    """One cluster for each number of replicas."""
    topic(f"Through HAProxy, {CLIENTS} clients, {os.cpu_count()} cores")
    binary = haproxy()
    if binary is None:
        print("skipped: HAProxy is not installed")
        return
    for count in (1, 2, 3):
        directory = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
        redis = PrivateRedis(find_redis_server(), directory / "redis")
        redis.start()
        cluster = Cluster(directory / "home", redis.url, binary, count)
        try:
            token = set_up(cluster.clients()[0])["access_token"]
            _reads(cluster, token, count)
            _commands(cluster, token, count)
        finally:
            cluster.close()
            redis.stop()
            shutil.rmtree(directory, ignore_errors=True)


def _reads(cluster: Cluster, token: str, count: int) -> None:
    taken: list[float] = []
    stop = threading.Event()
    threads = [
        threading.Thread(target=_read, args=(cluster.port, token, stop, taken))
        for _ in range(CLIENTS)
    ]
    used = _cpu(cluster)
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    stop.wait(READ_S)
    stop.set()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - began
    share = (_cpu(cluster) - used) / elapsed * 100
    figure(f"{count} replicas: GET /process/processes", f"{len(taken) / elapsed:.0f}/s")
    figure(f"{count} replicas: their processor time", f"{share:.0f} % of one core")
    times(f"{count} replicas: GET /process/processes", taken)


def _read(port: int, token: str, stop: threading.Event, taken: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}"}
    while not stop.is_set():
        began = time.perf_counter()
        connection.request("GET", "/process/processes", headers=headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        taken.append((time.perf_counter() - began) * 1000)


def _commands(cluster: Cluster, token: str, count: int) -> None:
    """A stop of a stopped service: the whole way of a command, and no service's own time."""
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    body = orjson.dumps({"process_name": SERVICE})
    taken = []
    for _ in range(COMMANDS):
        began = time.perf_counter()
        connection.request("POST", "/process/stop-service", body, headers)
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        taken.append((time.perf_counter() - began) * 1000)
    times(f"{count} replicas: a command", taken)


def _cpu(cluster: Cluster) -> float:
    """Seconds of a processor that the replicas have used."""
    ticks = 0
    for api in cluster.apis:
        text = Path(f"/proc/{api.process.pid}/stat").read_text(encoding="utf-8")
        fields = text.rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
