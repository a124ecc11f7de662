"""What strangers cost: large bodies without a token, silent sockets, headers that do not end."""

import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

from bench.report import figure, percentile, percentiles, topic
from tests.deploy.flow import Running, set_up
from tests.support.programs import PROJECT
from tests.support.redis_server import PrivateRedis, find_redis_server, free_port
from tests.support.wait import wait_until_sync

BODIES: Final = 6
BODY: Final = b"x" * 9_000_000
SILENT: Final = 1_100
SILENT_S: Final = 12.0
NOFILE: Final = 1_024
HALF: Final = 500
HEAD: Final = b"POST /config HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def main() -> None:
    """One replica with an account, whose limit of descriptors is 1,024."""
    topic(f"Strangers, one replica, nofile {NOFILE}")
    place = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
    redis = PrivateRedis(find_redis_server(), place / "redis")
    redis.start()
    running = Running(place / "home", {"REDIS_URL": redis.url})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))  # our ends of the sockets
    try:
        running.start("supervisor")
        with _limited(place / "home", redis.url) as (pid, port):
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
                token = str(set_up(http)["access_token"])
            _bodies(pid, port)
            _silent(port, token)
            _half(port)
    finally:
        running.close()
        redis.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _limited(home: Path, redis_url: str) -> Iterator[tuple[int, int]]:
    """A replica under the limit; its pid and port."""
    port = free_port()
    environ = {
        "REDIS_URL": redis_url,
        "DUMB_HOME": str(home),
        "DUMB_API_SERVICE_HOST": "127.0.0.1",
        "DUMB_API_SERVICE_PORT": str(port),
    }
    api = subprocess.Popen(
        [
            shutil.which("prlimit") or "prlimit",
            f"--nofile={NOFILE}:{NOFILE}",
            sys.executable,
            "-m",
            "services.api",
        ],
        cwd=PROJECT,
        env=os.environ | environ,
    )
    try:
        wait_until_sync(lambda: _status(port, "/readyz") == 200, timeout=30, what="the API")
        yield api.pid, port
    finally:
        api.terminate()
        api.wait(20)


def _status(port: int, path: str, token: str = "", timeout: float = 2.0) -> int:
    """Of one GET over a connection of its own; 0 when no answer came."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        url = f"http://127.0.0.1:{port}{path}"
        return httpx.get(url, headers=headers, timeout=timeout).status_code
    except httpx.TransportError:
        return 0


def _memory(pid: int, field: str) -> float:
    """MB, from `/proc/<pid>/status`."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1000


def _bodies(pid: int, port: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="utf-8")  # the peak begins here
    before = _memory(pid, "VmRSS")
    taken: list[float] = []
    statuses: list[int] = []

    def post() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            began = time.perf_counter()
            peer.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY))
            sending = threading.Thread(target=_send_body, args=(peer,))
            sending.start()
            answer = peer.recv(4096)
            taken.append((time.perf_counter() - began) * 1000)
            statuses.append(int(answer[9:12] or 0))
            sending.join()

    threads = [threading.Thread(target=post) for _ in range(BODIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    name = f"{BODIES} x {len(BODY) // 1_000_000} MB without a token"
    refused = statuses == [401] * BODIES
    figure(f"{name}: answered", f"{sorted(statuses)}", "401 each", met=refused)
    figure(f"{name}: until the 401", f"{percentiles(taken)} ms", "50 ms", met=max(taken) <= 50)
    more = _memory(pid, "VmHWM") - before
    figure(f"{name}: memory", f"+{more:.1f} MB at its peak", "+20 MB", met=more <= 20)


def _send_body(peer: socket.socket) -> None:
    with suppress(OSError):
        peer.sendall(BODY)


def _silent(port: int, token: str) -> None:
    """They connect, are dropped, and connect again, while another client asks."""
    stop = threading.Event()
    count = [0]
    stranger = threading.Thread(target=_hold_silent, args=(port, stop, count))
    stranger.start()
    failures, taken = 0, []
    end = time.monotonic() + SILENT_S
    while time.monotonic() < end:
        began = time.perf_counter()
        failures += _status(port, "/process/processes", token) != 200
        taken.append((time.perf_counter() - began) * 1000)
    stop.set()
    stranger.join()
    name = f"{SILENT} silent sockets ({count[0]} connections in {SILENT_S:.0f} s)"
    served = f"{len(taken) - failures} of {len(taken)}"
    figure(f"{name}: another client is served", served, "all", met=failures == 0)
    figure(f"{name}: its requests", f"{percentiles(taken)} ms")


def _hold_silent(port: int, stop: threading.Event, count: list[int]) -> None:
    held: list[socket.socket] = []
    while not stop.is_set():
        while len(held) < SILENT:
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", port), timeout=2))
                count[0] += 1
        held = [peer for peer in held if not _has_ended(peer)]
        stop.wait(0.02)
    for peer in held:
        peer.close()


def _has_ended(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        ended = peer.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        ended = True
    peer.close()
    return ended


def _half(port: int) -> None:
    """Headers that do not end."""
    peers = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(HALF)]
    began = time.monotonic()
    for peer in peers:
        peer.sendall(HEAD)
    taken = []
    for peer in peers:
        with suppress(OSError):
            while peer.recv(4096):
                pass
        taken.append(time.monotonic() - began)
        peer.close()
    shown = f"{percentile(taken, 0):.1f} to {max(taken):.1f} s"
    figure(f"{HALF} half-sent headers: gone after", shown, "12 s", met=max(taken) <= 12)
