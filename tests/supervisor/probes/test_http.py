"""One request and what comes back, good and bad."""

import base64

import pytest

from services.supervisor.probes.http import (
    MAX_BODY,
    HttpError,
    Target,
    fetch,
    json_at,
    target_of,
)
from tests.supervisor.probes.serving import ok, served
from tests.support.redis_server import free_port

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (ok(b"pong"), 200, b"pong"),
        (ok(b"", "503 Service Unavailable"), 503, b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 204 No Content\r\n\r\nignored", 204, b""),
        (CHUNKED + b"4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n", 200, b"wikipedia"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + ok(b"after"), 200, b"after"),
        (ok(b"", "302 Found", "Location: http://127.0.0.1:1/"), 302, b""),
        (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, b"x"),
    ],
)
async def test_an_answer_is_read(reply: bytes, status: int, body: bytes) -> None:
    async with served(reply) as server:
        found = await fetch(Target("127.0.0.1", server.port), 5)
    assert (found.status, found.body, found.truncated) == (status, body, False)


@pytest.mark.parametrize(
    "reply",
    [ok(b"x" * (MAX_BODY + 10)), CHUNKED + b"20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n"],
)
async def test_of_a_large_body_only_so_much_is_read(reply: bytes) -> None:
    async with served(reply) as server:
        found = await fetch(Target("127.0.0.1", server.port), 5)
    assert (len(found.body), found.truncated) == (MAX_BODY, True)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol"),
        (b"HTTP/2 200\r\n\r\n", "protocol"),
        (b"", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "protocol"),
        (CHUNKED + b"zz\r\n", "protocol"),
        (CHUNKED + b"5\r\nab", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\n", "protocol"),
        (None, "timeout"),
        (b"HTTP/1.1 200 OK\r\n" * 3, "protocol"),
    ],
)
async def test_nonsense_is_an_error_of_its_kind(reply: bytes | None, kind: str) -> None:
    async with served(reply) as server:
        with pytest.raises(HttpError) as caught:
            await fetch(Target("127.0.0.1", server.port), 0.2 if reply is None else 5)
    assert caught.value.kind == kind


async def test_nobody_there() -> None:
    with pytest.raises(HttpError) as caught:
        await fetch(Target("127.0.0.1", free_port()), 5)
    assert (caught.value.kind, str(caught.value)) == ("connection", "Connection refused")


async def test_what_is_sent() -> None:
    target = Target(
        "127.0.0.1", 0, "/ä?x=1&y=%20", "PROPFIND", (("Depth", "0"),), auth=("u", "p:ä")
    )
    async with served() as server:
        await fetch(
            Target(
                "127.0.0.1", server.port, target.path, target.method, target.headers, target.auth
            ),
            5,
        )
    lines = server.requests[0].decode().split("\r\n")
    token = base64.b64encode("u:p:ä".encode()).decode()
    assert lines[0] == "PROPFIND /%C3%A4?x=1&y=%20 HTTP/1.1"
    assert {f"Host: 127.0.0.1:{server.port}", "Depth: 0", f"Authorization: Basic {token}"} <= set(
        lines
    )


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", Target("h", 80, "/")),
        ("http://h:81/a/b?c=d#e", Target("h", 81, "/a/b?c=d")),
        ("https://[::1]:444/x", Target("::1", 444, "/x", tls=True)),
        ("http://u:p%40@h/x", Target("h", 80, "/x", auth=("u", "p@"))),
    ],
)
def test_an_address(url: str, target: Target) -> None:
    assert target_of(url) == target


@pytest.mark.parametrize("url", ["", "h:80", "ftp://h", "http://", "http://h:99999"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|[Pp]ort"):
        target_of(url)


def test_a_dotted_path() -> None:
    tree = {"a": {"b": [10, {"c": None}]}}
    assert json_at(tree, "a.b.1.c") == (True, None)
    assert json_at(tree, "a.b.0") == (True, 10)
    assert json_at(tree, "a.b.9") == (False, None)
    assert json_at(tree, "a.x") == (False, None)
    assert json_at(7, "a") == (False, None)
