"""`./dumb` as a user types it where nothing of ours runs, and `redis-cli`."""

import http.server
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.cli.client import AwayError, Client
from services.cli.credentials import TokenCredentials
from services.cli.redis_cli import login_options
from shared.exits import Exit
from shared.redis_url import RedisAddress, parse_redis_url
from shared.version import VERSION
from tests.support.redis_server import free_port
from tests.support.tls import Authority, Certificate

DUMB = Path(__file__).resolve().parents[2] / "dumb"


@contextmanager
def odd_server(tls: Certificate | None = None) -> Iterator[int]:
    """Something that speaks HTTP and is not our API; its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = {"/logs": (200, b"[1, 2]"), "/process/states": (502, b"<html>Bad gateway")}
            status, data = known[urlsplit(self.path).path]
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert, tls.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def environ(home: Path, port: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DUMB_", "REDIS"))}
    # A proxy of the web is not asked for the machine's own API.
    return {
        **kept,
        "DUMB_HOME": str(home),
        "DUMB_API_SERVICE_PORT": str(port),
        "http_proxy": "http://127.0.0.1:9",
    }


def dumb(home: Path, port: int, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DUMB), *arguments],
        env=environ(home, port) | env,
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_what_answers_is_not_the_api(tmp_path: Path) -> None:
    with odd_server() as port:
        done = dumb(tmp_path, port, "status")
        assert (done.returncode, done.stderr) == (1, "<html>Bad gateway\n")
        with (
            Client(f"http://127.0.0.1:{port}", TokenCredentials()) as client,
            pytest.raises(AwayError, match="is not this project's API"),
        ):
            client.get("/logs")


def test_an_answer_that_is_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            connection, _ = listening.accept()
            connection.recv(65536)
            connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with (
            Client(url, TokenCredentials()) as client,
            pytest.raises(AwayError, match="Whether it was done is not known"),
        ):
            client.post("/process/restart-service", {"process_name": "Files"})


def test_https_asks_who_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", "A Test's Own")
    with odd_server(authority.issue("api")) as port:
        url = f"https://127.0.0.1:{port}"
        strange = dumb(tmp_path, 1, "--url", url, "status")
        assert strange.returncode == Exit.UNAVAILABLE
        assert "is not trusted (unable to get local issuer" in strange.stderr
        known = {"SSL_CERT_FILE": str(authority.own.cert)}
        assert dumb(tmp_path, 1, "--url", url, "status", **known).stderr == "<html>Bad gateway\n"


def test_an_api_that_is_away_is_an_exit_code_of_its_own(tmp_path: Path) -> None:
    done = dumb(tmp_path, free_port(), "start", "Files")
    assert done.returncode == Exit.UNAVAILABLE
    assert "(Connection refused)" in done.stderr
    assert "make run" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.redis
def test_redis_cli_is_logged_in(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "redis.url").write_text(f"{redis_url}\n")
    added = dumb(
        tmp_path, 1, "redis-cli", "XADD", "dumb:triggers", "*", "action", "restart",
        "process_name", "Demo File Server",
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    assert added.stderr == ""
    shown = dumb(tmp_path, 1, "redis-cli", "XRANGE", "dumb:triggers", "-", "+")
    assert "Demo File Server" in shown.stdout


def test_redis_cli_without_a_redis_says_what_to_do(tmp_path: Path) -> None:
    done = dumb(tmp_path, 1, "redis-cli", "PING")
    assert done.returncode == 1
    assert "make run" in done.stderr


def test_the_password_is_no_argument() -> None:
    address = parse_redis_url("rediss://ann:secret@h:7000/2")
    assert login_options(address) == (
        ["-h", "h", "-p", "7000", "--user", "ann", "--tls", "-n", "2"]
    )
    secured = RedisAddress(tls=True).with_secrets("", {"ssl_ca_certs": "/ca", "ssl_keyfile": "/k"})
    assert login_options(secured)[4:] == ["--tls", "--cacert", "/ca", "--key", "/k"]
    assert login_options(RedisAddress(path="/run/r.sock")) == ["-s", "/run/r.sock"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        *([verb, "--help"] for verb in ("up", "status", "start", "stop", "restart", "logs")),
    ],
)
def test_help_is_everywhere(tmp_path: Path, arguments: list[str]) -> None:
    done = dumb(tmp_path, 1, *arguments)
    assert done.returncode == 0
    assert "usage: dumb" in done.stdout.lower()


def test_version(tmp_path: Path) -> None:
    assert dumb(tmp_path, 1, "--version").stdout == f"dumb {VERSION}\n"
