"""Which addresses are asked, and what is made of their answers."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared import outbound
from shared.outbound import Outbound, OutboundError, RefusedTargetError, check_url, is_refused
from tests.support.connections import listening

REFUSED = [
    "169.254.169.254",
    "169.254.0.1",
    "0.0.0.0",  # noqa: S104 - refused, not bound
    "224.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "192.0.0.192",
    "::",
    "fe80::1",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::169.254.169.254",
    "::ffff:0.0.0.0",
]
ASKED = ["127.0.0.1", "10.0.0.5", "172.17.0.2", "192.168.1.20", "100.64.0.7", "::1", "fd12::1",
         "8.8.8.8", "2606:4700::1", "::ffff:192.168.1.20"]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_refused_addresses(text: str) -> None:
    assert is_refused(ipaddress.ip_address(text))
    host = f"[{text}]" if ":" in text else text
    with pytest.raises(RefusedTargetError):
        check_url(f"http://{host}:5055")


@pytest.mark.parametrize("text", ASKED)
def test_addresses_where_a_seerr_may_live(text: str) -> None:
    assert not is_refused(ipaddress.ip_address(text))
    host = f"[{text}]" if ":" in text else text
    assert check_url(f" http://{host}:5055/ ") == f"http://{host}:5055"


@pytest.mark.parametrize(
    "url",
    ["", "seerr:5055", "//host", "ftp://host", "file:///etc/passwd", "http://", "http://:80",
     "http://user@host", "http://user:pw@host", "http://@host", "http://host?x=1", "http://host#x",
     "http://host:port", "http://host:99999", "http://ho st", "http://[::1", "\x00", "http://a\nb",
     "javascript:alert(1)", "http://host:0"],
)  # fmt: skip
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(RefusedTargetError):
        check_url(url)


@asynccontextmanager
async def _server(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers every request with the same bytes, and closes. Yields port and heads seen."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()

    async with listening(serve) as port:
        yield port, seen


async def _ask(url: str, method: str = "GET", **options: Any) -> outbound.Answer:
    async with Outbound() as http:
        return await http.ask(method, url, headers={"X-Api-Key": "k"}, **options)


def _names(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> list[str]:
    """Names that this test's resolver knows; what was asked of it."""
    asked: list[str] = []

    async def getaddrinfo(_self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        if host not in table:
            raise socket.gaierror(-2, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in table[host]]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(type(loop), "getaddrinfo", getaddrinfo)
    return asked


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_a_name_is_looked_up_once_and_sent_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    async with _server(OK) as (port, seen):
        asked = _names(monkeypatch, {"seerr.lan": ["127.0.0.1"]})
        answer = await _ask(f"http://seerr.lan:{port}/api")
        assert answer.json() == {}
        assert asked[0] == "seerr.lan"
        assert set(asked[1:]) <= {"127.0.0.1"}  # what was judged is what is connected to
        assert f"Host: seerr.lan:{port}\r\n".encode() in seen[0]


@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["127.0.0.1", "fe80::1%eth0"]])
async def test_a_name_that_leads_to_a_refused_address(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    _names(monkeypatch, {"evil.example": addresses})
    with pytest.raises(RefusedTargetError, match="evil"):
        await _ask("http://evil.example/")


async def test_an_unknown_name_and_a_closed_port() -> None:
    with pytest.raises(OutboundError, match="unknown"):
        await _ask("http://no-such-host.invalid/")
    with pytest.raises(OutboundError, match="cannot be reached"):
        await _ask("http://127.0.0.1:1/")


@pytest.mark.parametrize("number", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376"])
async def test_a_refused_address_in_other_spellings(number: str) -> None:
    with pytest.raises(OutboundError):
        await _ask(f"http://{number}/", seconds=5)


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/", "https://127.0.0.1/", "//other.example/", "ftp://127.0.0.1/",
     "http://127.0.0.1:1/", "http://[::1]/"],
)  # fmt: skip
async def test_redirects_elsewhere(location: str) -> None:
    answer = b"HTTP/1.1 302 F\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % location.encode()
    async with _server(answer) as (port, seen):
        with pytest.raises(OutboundError):
            await _ask(f"http://127.0.0.1:{port}/")
        assert len(seen) == 1


async def test_redirects_here_end_and_change_no_method() -> None:
    answer = b"HTTP/1.1 302 F\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
    async with _server(answer) as (port, seen):
        with pytest.raises(OutboundError, match="without end"):
            await _ask(f"http://127.0.0.1:{port}/")
        assert len(seen) == 4
        with pytest.raises(RefusedTargetError, match="a change"):
            await _ask(f"http://127.0.0.1:{port}/", "POST", body={})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "cut"),
        (b"garbage\r\n\r\n", "cut"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "cut"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "failed"),
    ],
)
async def test_answers_that_are_none(answer: bytes, words: str) -> None:
    async with _server(answer) as (port, _):
        with pytest.raises(OutboundError, match=words):
            await _ask(f"http://127.0.0.1:{port}/")


async def test_an_answer_that_never_ends_and_one_that_never_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbound, "MAX_BODY", 100)
    async with _server(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 200) as (
        port,
        _,
    ):
        with pytest.raises(OutboundError, match="MiB"):
            await _ask(f"http://127.0.0.1:{port}/")

    async def mute(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with listening(mute) as port:
        with pytest.raises(OutboundError, match="no answer within"):
            await _ask(f"http://127.0.0.1:{port}/", seconds=0.1)


async def test_a_key_that_no_header_can_hold() -> None:
    async with Outbound() as http:
        for key in ("schlüssel", "a\nb"):
            with pytest.raises(OutboundError):
                await http.ask("GET", "http://127.0.0.1:1/", headers={"X-Api-Key": key})
