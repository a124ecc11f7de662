"""DUMB_TRUSTED_UPSTREAMS: whose X-Forwarded-For and -Proto the shipped proxy believes."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.test_proxy_tls import Proxy, Replicas, await_served, running
from tests.replicas.cluster import haproxy

pytestmark = pytest.mark.skipif(haproxy() is None, reason="HAProxy is not installed")

CLIENT = "203.0.113.9"
SECOND = "198.51.100.7"
FORGED = "192.0.2.66"


class Replica(http.server.BaseHTTPRequestHandler):
    """Says what a replica would believe: every value of both headers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = [self.headers.get_all(f"X-Forwarded-{name}", []) for name in ("For", "Proto")]
        body = " ".join(",".join(values) for values in found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture(scope="module")
def replica() -> Iterator[int]:
    with Replicas(("127.0.0.1", 0), Replica) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def asked(http_client: httpx.Client, *forwarded: str, proto: str = "") -> str:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    headers += [("X-Forwarded-Proto", proto)] if proto else []
    return http_client.get("/", headers=headers).text


def test_a_trusted_upstream_is_believed_what_it_appended(tmp_path: Path, replica: int) -> None:
    trusted = f"127.0.0.1, {SECOND}/32,2001:db8:ffff::/48"
    with (
        running(tmp_path, replica, DUMB_TRUSTED_UPSTREAMS=trusted) as proxy,
        httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=10) as upstream,
    ):
        # One connection: what one request says does not stay for the next.
        await_served(upstream)
        assert asked(upstream, CLIENT, proto="https") == f"{CLIENT} https"
        assert asked(upstream) == "127.0.0.1 http"
        assert asked(upstream, "2001:db8::5") == "2001:db8::5 http"
        # What the client itself sent is on the left, or in a header of its own.
        assert asked(upstream, f"{FORGED}, {CLIENT}") == f"{CLIENT} http"
        assert asked(upstream, FORGED, CLIENT) == f"{CLIENT} http"
        # Two trusted ones, one after the other.
        assert asked(upstream, f"{FORGED}, {CLIENT}, {SECOND}") == f"{CLIENT} http"
        assert asked(upstream, f"{FORGED}, {CLIENT}, 2001:db8:ffff::1") == f"{CLIENT} http"
        assert asked(upstream, SECOND) == f"{SECOND} http"
        # What is not an address, or not a scheme, is not passed on.
        quoted = f'{FORGED}, ", {CLIENT}'
        for odd in ("unknown", "", "a" * 5000, "1.2.3", f"{FORGED}, unknown", quoted):
            assert asked(upstream, odd, proto="gopher") == "127.0.0.1 http", odd
        assert asked(upstream, f"{FORGED}, unknown, {SECOND}") == f"{SECOND} http"


def test_others_are_not(tmp_path: Path, replica: int) -> None:
    for trusted in ("", "192.0.2.0/24,2001:db8::/32"):
        with (
            running(tmp_path, replica, DUMB_TRUSTED_UPSTREAMS=trusted) as proxy,
            httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", timeout=10) as stranger,
        ):
            await_served(stranger)
            assert asked(stranger, CLIENT, FORGED, proto="https") == "127.0.0.1 http"
            assert asked(stranger, "192.0.2.1", proto="https") == "127.0.0.1 http"


@pytest.mark.parametrize(
    "given", ["0.0.0.0/0", "::/0", "*", "proxy.lan", "10.0.0.1 10.0.0.2", "10.0.0.0/33"]
)
def test_what_is_not_a_network_ends_the_start(tmp_path: Path, replica: int, given: str) -> None:
    proxy = Proxy(tmp_path, replica, DUMB_TRUSTED_UPSTREAMS=given)
    assert proxy.process.wait(20) == 78
    assert "DUMB_TRUSTED_UPSTREAMS: name addresses or networks" in proxy.printed()
    assert "Traceback" not in proxy.printed()
    proxy.close()
