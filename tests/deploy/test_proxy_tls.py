"""deploy/proxy/start.py before a stand-in: TLS, a certificate that is replaced, and none."""

import http.server
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from services.api.headers import SECURITY
from tests.api.test_tls import der, put, shown
from tests.replicas.cluster import haproxy, proxy_config
from tests.support.programs import PROJECT
from tests.support.redis_server import free_port
from tests.support.tls import Authority, Certificate
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.skipif(haproxy() is None, reason="HAProxy is not installed")


class Replica(http.server.BaseHTTPRequestHandler):
    """Says which scheme the client is said to have used."""

    def do_GET(self) -> None:
        body = self.headers.get("X-Forwarded-Proto", "none").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "of the replica")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


class Replicas(http.server.ThreadingHTTPServer):
    """A health check that ends early is no news."""

    def handle_error(self, *_args: object) -> None:
        return


class Proxy:
    """`start.py` as the container runs it."""

    def __init__(self, directory: Path, replica: int, **environ: str) -> None:
        self.port = free_port()
        # A unix socket's path may have 97 bytes here, and pytest's directories are long.
        self.place = place = Path(tempfile.mkdtemp(prefix="dumb-proxy-"))
        config = directory / f"haproxy-{self.port}.cfg"
        config.write_text(proxy_config(self.port, [replica]))
        self._output = directory / f"proxy-{self.port}.out"
        path = f"/usr/sbin:/usr/local/sbin:{os.environ['PATH']}"
        self.environ = {"PATH": path, "DUMB_PROXY_CONFIG": str(config), "TMPDIR": str(place)}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(PROJECT / "deploy" / "proxy" / "start.py")],
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def close(self) -> int:
        """End it; its exit code."""
        self.process.terminate()
        code = self.process.wait(20)
        left = list(self.place.iterdir())
        shutil.rmtree(self.place)
        assert left == []  # above all no key
        return code

    def printed(self) -> str:
        return self._output.read_text()


@pytest.fixture(scope="module")
def replica() -> Iterator[int]:
    with Replicas(("127.0.0.1", 0), Replica) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def running(directory: Path, replica: int, **environ: str) -> Iterator[Proxy]:
    proxy = Proxy(directory, replica, **environ)
    try:
        yield proxy
    finally:
        assert proxy.close() == 0, proxy.printed()


def client(authority: Authority, proxy: Proxy) -> httpx.Client:
    trust = ssl.create_default_context(cafile=authority.own.cert)
    return httpx.Client(base_url=f"https://127.0.0.1:{proxy.port}", verify=trust, timeout=10)


def await_served(http: httpx.Client) -> httpx.Response:
    found: list[httpx.Response] = []

    def served() -> bool:
        try:
            found[:] = [http.get("/")]
        except httpx.TransportError:
            return False
        return found[0].status_code == 200

    wait_until_sync(served, timeout=20, what="the proxy serves")
    return found[0]


def test_a_certificate_is_followed(tmp_path: Path, replica: int) -> None:
    authority = Authority(tmp_path / "ca", "ca")
    files = Certificate(tmp_path / "live.crt", tmp_path / "live.key")
    first, second, third = (authority.issue(name) for name in ("first", "second", "third"))
    put(first, files)
    environ = {"DUMB_TLS_CERT": str(files.cert), "DUMB_TLS_KEY": str(files.key)}
    with running(tmp_path, replica, **environ) as proxy, client(authority, proxy) as kept:
        answer = await_served(kept)
        assert answer.text == "https"
        assert answer.headers["content-security-policy"] == "of the replica"
        assert "x-frame-options" not in answer.headers
        assert shown(proxy.port) == der(first)
        put(second, files)

        def replaced() -> bool:
            with client(authority, proxy) as new:  # none is refused meanwhile
                assert new.get("/").status_code == 200
            return shown(proxy.port) == der(second)

        wait_until_sync(replaced, timeout=20, what="the second certificate")
        assert kept.get("/").status_code == 200
        files.key.write_bytes(third.key.read_bytes())
        wait_until_sync(lambda: "stays in use" in proxy.printed(), what="a complaint")
        assert shown(proxy.port) == der(second)
        put(third, files)
        wait_until_sync(lambda: shown(proxy.port) == der(third), what="the third certificate")
        # The key is nowhere but in a directory that goes with the proxy.
        (run,) = proxy.place.iterdir()
        assert (run / "site.pem").stat().st_mode & 0o077 == 0


def test_without_one_it_speaks_plain_http(tmp_path: Path, replica: int) -> None:
    proxy = Proxy(tmp_path, replica, DUMB_TLS_CERT="", DUMB_TLS_KEY="")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=10) as http:
            assert await_served(http).text == "http"
            spoofed = http.get("/", headers={"X-Forwarded-Proto": "https"})
            assert spoofed.text == "http"
    finally:
        proxy.close()


def test_its_own_answers_have_the_security_headers(tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, free_port())
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=10) as http:
            found: list[httpx.Response] = []

            def answers() -> bool:
                try:
                    found[:] = [http.get("/proxy/livez"), http.get("/")]
                except httpx.TransportError:
                    return False
                return found[1].status_code == 503

            wait_until_sync(answers, timeout=20, what="a 503 of the proxy")
        for answer in found:
            assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    finally:
        proxy.close()


def test_a_pair_that_cannot_be_used_ends_the_start(tmp_path: Path, replica: int) -> None:
    authority = Authority(tmp_path / "ca", "ca")
    one, two = authority.issue("one"), authority.issue("two")
    for environ, said in (
        ({"DUMB_TLS_CERT": str(one.cert)}, "set both, or neither"),
        ({"DUMB_TLS_CERT": str(one.cert), "DUMB_TLS_KEY": str(two.key)}, "cannot be used"),
        ({"DUMB_TLS_CERT": str(one.cert), "DUMB_TLS_KEY": "/none"}, "cannot be used"),
        ({"DUMB_TLS_CERT": str(one.cert), "DUMB_TLS_KEY": "/dev/zero"}, "is not a file"),
    ):
        proxy = Proxy(tmp_path, replica, **environ)
        assert proxy.process.wait(20) == 78
        assert said in proxy.printed()
        assert "Traceback" not in proxy.printed()
        proxy.close()
