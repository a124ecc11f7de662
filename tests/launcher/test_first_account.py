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
        base = f"http://127.0.0.1:{port}"
        text = hint(base)
    assert (f"./dumb --url {base} users add admin" in text) == shown
    assert bool(text) == shown


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_an_odd_answer_is_no_reason_to_fail(body: bytes) -> None:
    with _api(body) as port:
        assert hint(f"http://127.0.0.1:{port}") == ""
    assert hint(f"http://127.0.0.1:{free_port()}") == ""
