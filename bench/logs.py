"""Log lines flat out to disk, stream and a WebSocket; and what a stalled client costs another."""

import contextlib
import re
import socket
import sys
import threading
import time
from pathlib import Path

import orjson
from websockets.sync.client import connect

from bench.report import figure, times, topic
from bench.stack import Stack, post, running
from tests.support.wait import wait_until_sync

LINES = 1_000_000
NAME = "Bench Writer"
PACED = "Bench Pacer"

PACER = """
import sys, time
for _ in range(4000):
    sys.stdout.write(f"at {time.time():.6f} {'x' * 60}\\n")
    sys.stdout.flush()
    time.sleep(0.001)
time.sleep(1000)
"""


def throughput(stack: Stack) -> None:
    """One service writes 100-byte lines as fast as it can; nothing may be lost."""
    path = f"/ws/logs?format=json&process_name={NAME.replace(' ', '%20')}"
    with connect(stack.url(path), max_size=None, compression=None) as ws:
        connection = stack.connection()
        began = time.perf_counter()
        status, body = post(connection, "/process/start-service", {"process_name": NAME})
        assert status == 200, body
        expected, dropped = 1, 0
        while expected <= LINES:
            frame = orjson.loads(ws.recv(timeout=60))
            dropped += frame["dropped"]
            for line in frame["lines"]:
                number = int(line["text"])
                assert dropped or number == expected, f"got {number}, expected {expected}"
                expected = number + 1
        seconds = time.perf_counter() - began
    on_disk = _lines_on_disk(stack.home / "log")
    size = int(stack.supervisor.redis.hget("dumb:logmeta:" + NAME, "size") or 0)
    tail = re.findall(rb" (\d{99})\n", stack.supervisor.log(NAME))
    kept = [int(number) for number in tail]
    assert kept == list(range(kept[0], LINES + 1)), "the stream has a gap"
    topic(f"{LINES} lines of 100 bytes, flat out, to disk, stream and one format=json client")
    rate = LINES / seconds
    figure("lines per second", f"{rate:,.0f}", "100,000", met=rate >= 100_000)
    figure("lost at the client", f"{dropped}", "0", met=dropped == 0)
    figure("lines on disk", f"{on_disk} (log of {size >> 20} MiB)", met=None)
    figure("last lines of the stream, without a gap", f"{len(kept)}")


def _lines_on_disk(directory: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in directory.glob(f"{NAME}.log*"))


def stalled(stack: Stack, *, with_stalled: bool) -> list[float]:
    """Delay of each line at a healthy client, in ms, beside one that has stopped reading."""
    connection = stack.connection()
    delays: list[float] = []
    with contextlib.ExitStack() as cleanup:
        if with_stalled:
            for _ in range(5):
                cleanup.callback(_stop_reading(stack).close)
        ws = cleanup.enter_context(
            connect(stack.url(f"/ws/logs?process_name={PACED.replace(' ', '%20')}"))
        )
        threading.Thread(
            target=post, args=(connection, "/process/start-service", {"process_name": PACED})
        ).start()
        while len(delays) < 3900:
            text = str(ws.recv(timeout=30))
            if match := re.search(r" at (\d+\.\d+) ", text):
                delays.append((time.time() - float(match[1])) * 1000)
    wait_until_sync(lambda: stack.supervisor.service(PACED)["status"] == "running")
    # The API closes a connection on which nothing is asked for some seconds.
    status, _ = post(stack.connection(), "/process/stop-service", {"process_name": PACED})
    assert status == 200
    return delays


def _stop_reading(stack: Stack) -> socket.socket:
    """A client that shakes hands and then never reads again."""
    raw = socket.create_connection(("127.0.0.1", stack.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.sendall(
        b"GET /ws/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    raw.recv(1024)
    return raw


def main() -> None:
    """Measure and print."""
    blocks = {
        "writer": {
            "process_name": NAME,
            "command": ["sh", "-c", f"seq -f %099.0f 1 {LINES}; exec sleep 100000"],
            "start_window": 0,
        },
        "pacer": {
            "process_name": PACED,
            "command": [sys.executable, "-c", PACER],
            "start_window": 0,
            "stop_signal": "KILL",
        },
    }
    with running(blocks, log_size="100M", log_count=4) as stack:
        throughput(stack)
        alone = stalled(stack, with_stalled=False)
        beside = stalled(stack, with_stalled=True)
    topic("Delay of a line at a text client that reads, 1,000 lines per second")
    times("alone", alone)
    times("beside 5 stalled clients", beside, p99=50)


if __name__ == "__main__":
    main()
