"""Logins: how fast, how many, and what they do to everybody else on the same replica."""

import threading
import time
from typing import Any

import orjson

from bench.report import figure, times, topic
from bench.stack import Stack, post, running

PASSWORD = "correct horse battery"  # noqa: S105 - of a benchmark's own user
LOGINS = 50
STORM_S = 8.0
CLIENTS = 8


def main() -> None:
    """One user; logins one after another, then by many clients at once for some seconds."""
    topic("Logins, one replica, argon2id 19 MiB t=2 p=1, two hashes at a time")
    with running({}) as stack:
        body = {"username": "admin", "password": PASSWORD}
        status, tree = post(stack.connection(), "/auth/setup", body)
        assert status == 200, tree
        _one_after_another(stack, body)
        _checks(stack, tree["access_token"])
        _storm(stack, body)


def _one_after_another(stack: Stack, body: dict[str, str]) -> None:
    connection = stack.connection()
    taken = []
    for _ in range(LOGINS):
        began = time.perf_counter()
        status, _tree = post(connection, "/auth/login", body)
        taken.append((time.perf_counter() - began) * 1000)
        assert status == 200
    times("login, one after another", taken)


def _checks(stack: Stack, token: str) -> None:
    """What the check of a token costs a request."""
    connection = stack.connection()
    for label, path, headers in (
        ("/livez, not checked", "/livez", {}),
        ("/auth/me, checked", "/auth/me", {"Authorization": f"Bearer {token}"}),
    ):
        taken = [_get(connection, path, headers) for _ in range(500)]
        times(label, taken)


def _storm(stack: Stack, body: dict[str, str]) -> None:
    connection = stack.connection()
    calm = [_get(connection, "/health", {}) for _ in range(300)]
    times("/health, calm", calm)
    stop = threading.Event()
    done: list[float] = []
    threads = [threading.Thread(target=_log_in, args=(stack, body, stop, done))
               for _ in range(CLIENTS)]  # fmt: skip
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    stormy = []
    while time.perf_counter() - began < STORM_S:
        stormy.append(_get(connection, "/health", {}))
        time.sleep(0.005)
    stop.set()
    elapsed = time.perf_counter() - began
    for thread in threads:
        thread.join()
    times(f"login, {CLIENTS} clients at once", done)
    figure("logins per second", f"{len(done) / elapsed:.1f}")
    times("/health during the storm", stormy)


def _log_in(stack: Stack, body: dict[str, str], stop: threading.Event, done: list[float]) -> None:
    connection = stack.connection()
    data = orjson.dumps(body)
    while not stop.is_set():
        began = time.perf_counter()
        connection.request("POST", "/auth/login", data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status == 200:
            done.append((time.perf_counter() - began) * 1000)


def _get(connection: Any, path: str, headers: dict[str, str]) -> float:
    """Milliseconds of one GET."""
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    assert response.status == 200
    return (time.perf_counter() - began) * 1000
