"""Refusals of large bodies: how many arrive at clients that are still sending.

Each is asked for by curl, Python's http.client and a headless Chromium (where they are installed),
of a replica and through the proxy of deploy/proxy.
"""

import http.client
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import orjson
from websockets.sync.client import ClientConnection, connect

from bench.report import figure, topic
from tests.deploy.flow import PASSWORD, set_up
from tests.replicas.cluster import Cluster, haproxy
from tests.support.redis_server import PrivateRedis, find_redis_server
from tests.support.wait import wait_until_sync

ROUNDS: Final = 20
BODY_BYTES: Final = 9_000_000
CODE: Final = "the-right-code"
WRONG_CODES: Final = 40
Ask = Callable[[str, str, dict[str, str]], int]
"""Base, path, headers: the status, 0 when no answer came."""


def main() -> None:
    """401, 413 and 403 with accounts, 429 without any."""
    topic(f"Refusals of a body of {BODY_BYTES // 1_000_000} MB that arrive, of {ROUNDS}")
    place = Path(tempfile.mkdtemp(prefix="dumb-bench-"))
    body = place / "body"
    body.write_bytes(b'{"a": "' + b"x" * (BODY_BYTES - 9) + b'"}')
    try:
        with _browser(place, body) as browser:
            ways: dict[str, Ask] = {"curl": _curl(body), "http.client": _client(body)}
            if browser is not None:
                ways["Chromium"] = browser
            with _cluster(place / "accounts") as cluster:
                _ask_with_accounts(cluster, ways)
            with _cluster(place / "none", DUMB_SETUP_CODE=CODE) as cluster:
                _ask_with_codes(cluster, ways)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _ask_with_accounts(cluster: Cluster, ways: dict[str, Ask]) -> None:
    http = cluster.clients()[0]
    admin = {"Authorization": f"Bearer {set_up(http)['access_token']}"}
    user = {"username": "vera", "password": PASSWORD, "role": "viewer"}
    assert http.post("/auth/users", json=user, headers=admin).status_code in {200, 201}
    answer = http.post("/auth/login", json={"username": "vera", "password": PASSWORD})
    viewer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    _count(cluster, ways, 401, "/config", {})
    _count(cluster, ways, 413, "/auth/login", {})
    _count(cluster, ways, 413, "/process/start-service", admin)
    _count(cluster, ways, 403, "/config/service-config", viewer)


def _ask_with_codes(cluster: Cluster, ways: dict[str, Ask]) -> None:
    wrong = {"X-Setup-Code": "wrong"}
    for _ in range(WRONG_CODES):
        httpx.get(f"{_bases(cluster)['direct']}/process/processes", headers=wrong)
    _count(cluster, ways, 429, "/config", wrong)


def _bases(cluster: Cluster) -> dict[str, str]:
    direct = f"http://127.0.0.1:{cluster.apis[0].port}"
    return {"direct": direct} | ({"HAProxy": cluster.base} if haproxy() else {})


def _count(
    cluster: Cluster, ways: dict[str, Ask], status: int, path: str, headers: dict[str, str]
) -> None:
    for (where, base), (client, ask) in itertools.product(_bases(cluster).items(), ways.items()):
        found = [ask(base, path, headers) for _ in range(ROUNDS)]
        came = found.count(status)
        other = "" if came == ROUNDS else f", others: {sorted(set(found) - {status})}"
        name = f"{status} {path}, {client}, {where}"
        figure(name, f"{came}{other}", f"{ROUNDS}", met=came == ROUNDS)


def _curl(body: Path) -> Ask:
    def ask(base: str, path: str, headers: dict[str, str]) -> int:
        more = [item for pair in headers.items() for item in ("-H", f"{pair[0]}: {pair[1]}")]
        ran = subprocess.run(
            [shutil.which("curl") or "curl", "-sS", "-m", "20", "-o", "/dev/null", "-w",
             "%{http_code} %{exitcode}",
             "-H", "Content-Type: application/json", "-H", "Expect:", *more,
             "--data-binary", f"@{body}", base + path],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        status, _, code = ran.stdout.partition(" ")
        return int(status) if code == "0" else 0

    return ask


def _client(body: Path) -> Ask:
    content = body.read_bytes()

    def ask(base: str, path: str, headers: dict[str, str]) -> int:
        connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=20)
        try:
            connection.request(
                "POST", path, content, {"Content-Type": "application/json", **headers}
            )
            answer = connection.getresponse()
            orjson.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return answer.status

    return ask


@contextmanager
def _cluster(home: Path, **environ: str) -> Iterator[Cluster]:
    home.mkdir()
    redis = PrivateRedis(find_redis_server(), home / "redis")
    redis.start()
    cluster = Cluster(home / "home", redis.url, haproxy(), 1, **environ)
    try:
        yield cluster
    finally:
        cluster.close()
        redis.stop()


@contextmanager
def _browser(place: Path, body: Path) -> Iterator[Ask | None]:
    binary = shutil.which("chromium")
    if binary is None:
        yield None
        return
    data = place / "chromium"
    browser = subprocess.Popen(
        [binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
         f"--user-data-dir={data}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        ports = data / "DevToolsActivePort"
        wait_until_sync(lambda: ports.exists() and ports.read_text(), timeout=30, what="Chromium")
        port = ports.read_text().split()[0]
        tabs = httpx.get(f"http://127.0.0.1:{port}/json").json()
        url = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        with connect(url, max_size=None) as devtools:
            yield _fetch(devtools, body.stat().st_size)
    finally:
        browser.terminate()
        browser.wait(20)


def _fetch(devtools: ClientConnection, size: int) -> Ask:
    """From a page of the API, as its own pages ask."""
    numbers = itertools.count(1)

    def call(method: str, **parameters: Any) -> Any:
        number = next(numbers)
        devtools.send(orjson.dumps({"id": number, "method": method, "params": parameters}).decode())
        while True:
            found = orjson.loads(devtools.recv(timeout=60))
            if found.get("id") == number:
                return found["result"]

    def evaluate(expression: str) -> Any:
        found = call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return found["result"].get("value")

    def ask(base: str, path: str, headers: dict[str, str]) -> int:
        if evaluate("location.origin") != base:
            call("Page.navigate", url=f"{base}/livez")
            wait_until_sync(lambda: evaluate("location.origin") == base, what="the page")
        options = orjson.dumps({"Content-Type": "application/json", **headers}).decode()
        return int(evaluate(
            f"fetch('{path}', {{method: 'POST', headers: {options}, body: 'x'.repeat({size}), "
            "credentials: 'omit'})"  # a cookie with a ticket would make an attempt count
            ".then(async answer => (await answer.json(), answer.status)).catch(() => 0)"
        ))  # fmt: skip

    return ask
