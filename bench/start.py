"""POST start to the child's first instruction and to the HTTP answer; supervisord beside it."""

import http.client
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from pathlib import Path

from bench.report import figure, percentile, times, topic
from bench.stack import FirstInstruction, post, running
from tests.support.wait import wait_until_sync

ROUNDS = 200
NAME = "Bench Service"


def ours() -> tuple[list[float], list[float]]:
    """Milliseconds to the first instruction, and to the answer."""
    report = FirstInstruction()
    block = {
        "bench": {
            "process_name": NAME,
            "command": report.command("up"),
            "start_window": 0,
            "stop_signal": "KILL",
        }
    }
    first: list[float] = []
    answered: list[float] = []
    with running(block) as stack:
        connection = stack.connection()
        for _ in range(ROUNDS):
            seen: list[float] = []
            reader = threading.Thread(target=lambda seen=seen: seen.append(report.read()[0]))
            reader.start()
            began = time.perf_counter()
            status, body = post(connection, "/process/start-service", {"process_name": NAME})
            ended = time.perf_counter()
            reader.join()
            assert status == 200, body
            first.append((seen[0] - began) * 1000)
            answered.append((ended - began) * 1000)
            status, body = post(connection, "/process/stop-service", {"process_name": NAME})
            assert status == 200, body
    report.close()
    return first, answered


def supervisord() -> tuple[list[float], list[float]]:
    """The same over supervisord's XML-RPC, `startsecs=0`."""
    report = FirstInstruction()
    home = Path(tempfile.mkdtemp(prefix="dumb-bench-supervisord-"))
    script = home / "child.sh"
    script.write_text("\n".join(["#!/bin/sh", report.command("up")[2], ""]))
    script.chmod(0o755)
    from tests.support.redis_server import free_port  # noqa: PLC0415

    port = free_port()
    (home / "supervisord.conf").write_text(
        f"[inet_http_server]\nport=127.0.0.1:{port}\n"
        f"[supervisord]\nnodaemon=true\nlogfile={home}/log\npidfile={home}/pid\n"
        "[rpcinterface:supervisor]\n"
        "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[program:bench]\ncommand={script}\nautostart=false\nstartsecs=0\nstopsignal=KILL\n"
        "autorestart=false\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", "supervisord.conf"],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    first: list[float] = []
    answered: list[float] = []
    try:
        proxy = xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}/RPC2")
        wait_until_sync(lambda: _up(proxy), timeout=20, what="supervisord")
        for _ in range(ROUNDS):
            seen: list[float] = []
            reader = threading.Thread(target=lambda seen=seen: seen.append(report.read()[0]))
            reader.start()
            began = time.perf_counter()
            proxy.supervisor.startProcess("bench", True)
            ended = time.perf_counter()
            reader.join()
            first.append((seen[0] - began) * 1000)
            answered.append((ended - began) * 1000)
            proxy.supervisor.stopProcess("bench", True)
    finally:
        process.terminate()
        process.wait(20)
        report.close()
        shutil.rmtree(home, ignore_errors=True)
    return first, answered


def _up(proxy: xmlrpc.client.ServerProxy) -> bool:
    try:
        state = proxy.supervisor.getState()
    except (OSError, http.client.HTTPException):
        return False
    return isinstance(state, dict) and state.get("statename") == "RUNNING"


def main() -> None:
    """Measure both in one run and print milliseconds."""
    first, answered = ours()
    topic(f"POST start of a service without a port, start window 0, {ROUNDS} rounds")
    times("POST start to the child's first instruction", first, p50=5)
    times("POST start to the HTTP answer", answered, p50=8)
    theirs, told = supervisord()
    times("supervisord, XML-RPC start to the child's first instruction", theirs)
    times("supervisord, XML-RPC start to its answer (sent after its fork)", told)
    ratio = percentile(first, 0.5) / percentile(theirs, 0.5)
    figure("p50 of ours to supervisord's", f"{ratio:.2f}", "no slower", met=ratio <= 1)


if __name__ == "__main__":
    main()
