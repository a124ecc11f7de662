"""`dumb up` says how to create the first account, as long as there is none."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.launcher.first_account import hint
from tests.support.redis_server import free_port


@contextmanager
def _api(body: bytes) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            return

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("has_users", "setup_skipped", "shown"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
def test_only_while_it_is_news(has_users: bool, setup_skipped: bool, shown: bool) -> None:
    status = {"has_users": has_users, "setup_skipped": setup_skipped}
    with _api(json.dumps(status).encode()) as port:
        text = hint("127.0.0.1", port, "http://base")
    assert ("./dumb --url http://base users add admin" in text) == shown
    assert bool(text) == shown


def test_the_setup_code_is_mentioned() -> None:
    status = {"has_users": False, "setup_skipped": False, "setup_code_required": True}
    with _api(json.dumps(status).encode()) as port:
        assert "DUMB_SETUP_CODE" in hint("127.0.0.1", port, "http://base")


@pytest.mark.parametrize(
    ("base", "shown"),
    [
        ("http://192.168.1.10:8010", "./dumb --url http://192.168.1.10:8010 users add admin"),
        ("http://[::1]:8000", "./dumb --url http://[::1]:8000 users add admin"),
        ("http://203.0.113.5:8000", "./dumb users add admin"),  # it answers to `localhost` alone
    ],
)
def test_an_address_that_works(base: str, shown: str) -> None:
    with _api(b'{"has_users": false, "setup_skipped": false}') as port:
        assert shown in hint("127.0.0.1", port, base)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_an_odd_answer_is_no_reason_to_fail(body: bytes) -> None:
    with _api(body) as port:
        assert hint("127.0.0.1", port, "x") == ""
    assert hint("127.0.0.1", free_port(), "x") == ""
