"""`./dumb` as a user types it, against an API of the test's own and a real Redis."""

import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.cli.redis_cli import login_options
from shared.exits import Exit
from shared.redis_url import RedisAddress, parse_redis_url
from shared.version import VERSION
from tests.support.redis_server import free_port

DUMB = Path(__file__).resolve().parents[2] / "dumb"

PROCESSES = [
    {"process_name": "Files", "enabled": True},
    {"process_name": "Off", "enabled": False},
    {"process_name": "By Hand", "enabled": False},
]
STATES: dict[str, dict[str, str | None]] = {
    "Files": {"status": "running", "health_status": "healthy", "health_reason": None},
    "Off": {"status": "stopped", "health_status": "unhealthy", "health_reason": "not\nrunning"},
    "By Hand": {"status": "running", "health_status": "degraded", "health_reason": "slow"},
}


@dataclass
class Api:
    """Answers of the REST contract, and what was asked."""

    port: int = 0
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    logs: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, given: dict[str, str]) -> tuple[int, Any]:
        self.asked.append((path, given))
        name = given.get("process_name", "")
        if path == "/process/processes":
            return 200, {"processes": PROCESSES}
        if path == "/process/service-status":
            return 200, {"process_name": name, **STATES[name]}
        if path == "/logs":
            return 200, self.logs.pop(0) if len(self.logs) > 1 else self.logs[0]
        if name not in STATES:
            return 404, {"detail": f"No service is named '{name}'."}
        if path == "/process":
            return 200, {"process_name": name}
        if path == "/process/start-service":
            return 200, {"status": "Service started successfully", "process_name": name}
        if path == "/process/stop-service":
            return 500, {"detail": "it could not be killed"}
        return 422, {"detail": [{"type": "missing", "loc": ["body"], "msg": "Field required"}]}


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            self._send(*api.answer(parts.path, query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(*api.answer(self.path, json.loads(body)))

        def _send(self, status: int, tree: Any) -> None:
            data = json.dumps(tree).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield api
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


def dumb(home: Path, port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(DUMB), *arguments],
        env=environ(home, port),
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_status_shows_what_is_enabled_or_running(tmp_path: Path, api: Api) -> None:
    done = dumb(tmp_path, api.port, "status")
    assert done.returncode == 0, done.stderr
    header, files, by_hand = done.stdout.splitlines()
    assert header.split() == ["NAME", "STATUS", "ENABLED", "HEALTH", "REASON"]
    assert files.split() == ["Files", "running", "yes", "healthy"]
    assert by_hand.split() == ["By", "Hand", "running", "no", "degraded", "slow"]
    assert "Off      stopped  no       unhealthy  not running" in (
        dumb(tmp_path, api.port, "status", "--all").stdout
    )
    assert len(dumb(tmp_path, api.port, "status", "Off").stdout.splitlines()) == 2
    unknown = dumb(tmp_path, api.port, "status", "Nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "No service is named 'Nobody'.\n")


def test_actions_print_the_answer(tmp_path: Path, api: Api) -> None:
    done = dumb(tmp_path, api.port, "start", "Files")
    assert (done.returncode, done.stdout) == (0, "Files: Service started successfully\n")
    assert api.asked == [("/process/start-service", {"process_name": "Files"})]
    failed = dumb(tmp_path, api.port, "stop", "Files")
    assert (failed.returncode, failed.stderr) == (1, "it could not be killed\n")
    unknown = dumb(tmp_path, api.port, "restart", "Filse")
    assert (unknown.returncode, unknown.stderr) == (1, "No service is named 'Filse'.\n")
    odd = dumb(tmp_path, api.port, "restart", "Files")
    assert odd.returncode == 1
    assert "Field required" in odd.stderr


def test_an_api_that_is_away_is_an_exit_code_of_its_own(tmp_path: Path) -> None:
    done = dumb(tmp_path, free_port(), "start", "Files")
    assert done.returncode == Exit.UNAVAILABLE
    assert "(Connection refused)" in done.stderr
    assert "make run" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def chunk(text: str, cursor: int) -> dict[str, Any]:
    return {"chunk": text, "cursor": cursor, "size": cursor, "file_id": "f", "reset": cursor == 6}


def test_logs_prints_the_last_lines(tmp_path: Path, api: Api) -> None:
    api.logs = [chunk("a\nb\nc\n", 6)]
    done = dumb(tmp_path, api.port, "logs", "Files", "-n", "2")
    assert (done.returncode, done.stdout) == (0, "b\nc\n")
    api.logs = [{"chunk": "", "cursor": 0, "size": 0, "file_id": None, "reset": True}]
    assert "has not written a log" in dumb(tmp_path, api.port, "logs", "Off").stderr
    assert "No service is named" in dumb(tmp_path, api.port, "logs", "Nobody").stderr
    assert dumb(tmp_path, api.port, "logs", "Files", "-n", "-1").returncode == 2


def test_logs_follows_from_the_cursor(tmp_path: Path, api: Api) -> None:
    api.logs = [chunk("a\nb\nc\n", 6), chunk("d\n", 8), chunk("", 8)]
    with subprocess.Popen(
        [str(DUMB), "logs", "-f", "-n", "1", "Files"],
        env=environ(tmp_path, api.port),
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        assert [following.stdout.readline() for _line in range(2)] == ["c\n", "d\n"]
        following.terminate()
    asked = [given for path, given in api.asked if path == "/logs"]
    assert "cursor" not in asked[0]
    assert (asked[1]["cursor"], asked[1]["file_id"]) == ("6", "f")


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
