"""One HTTP/1.1 request, small and cheap: no pool, no redirects, a cap on what is read.

A client library costs more per check than the check itself (bench/health.py).
"""

import asyncio
import base64
import contextlib
import functools
import os
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

MAX_BODY: Final = 64 << 10
"""Contract lifecycle 9. Of what is longer this much is looked at."""
_MAX_HEAD: Final = 32 << 10
_SAFE: Final = "/?&=%:;,@+~!$'()*[]"


class HttpError(Exception):
    """No usable answer. `kind` is the contract's `error_type`."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Target:
    """What to ask. `path` includes the query."""

    host: str
    port: int
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    auth: tuple[str, str] | None = None
    tls: bool = False

    def request(self) -> bytes:
        """The bytes that are sent."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.tls else 80
        fields = {
            "Host": host if self.port == default else f"{host}:{self.port}",
            "User-Agent": "dumb-health",
            "Accept": "*/*",
            "Connection": "close",
        }
        if self.method not in {"GET", "HEAD"}:
            fields["Content-Length"] = "0"
        if self.auth is not None:
            token = base64.b64encode(":".join(self.auth).encode()).decode()
            fields["Authorization"] = f"Basic {token}"
        fields |= dict(self.headers)
        lines = [f"{self.method} {quote(self.path, _SAFE)} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response. `truncated`: there is more of the body than was read."""

    status: int
    body: bytes
    truncated: bool
    latency_ms: float


def target_of(url: str) -> Target:
    """The target of an `http` or `https` address; user and password in it become `auth`.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not an http address: {url[:200]}")
    tls = parts.scheme == "https"
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or (443 if tls else 80)
    return Target(host=parts.hostname, port=port, path=path, auth=auth, tls=tls)


async def fetch(target: Target, timeout_s: float) -> Answer:
    """Ask once.

    Raises:
        HttpError: refused, not in time, or not HTTP.
    """
    began = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            status, body, truncated = await _exchange(target)
    except TimeoutError:
        raise HttpError("timeout", f"no answer within {timeout_s:g} s") from None
    except ssl.SSLError as error:
        raise HttpError("tls", f"TLS: {error.reason or error}") from error
    except OSError as error:
        raise HttpError("connection", _why(error)) from error
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        raise HttpError("protocol", "the answer is not HTTP") from error
    return Answer(status, body, truncated, round((time.perf_counter() - began) * 1000, 1))


def _why(error: OSError) -> str:
    """Event loops have words of their own for what the kernel said."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or "cannot connect"
    return os.strerror(error.errno)


@functools.cache
def _tls_context() -> ssl.SSLContext:
    """Reading the certificates takes 20 ms: once, and not on the event loop."""
    return ssl.create_default_context()


async def _exchange(target: Target) -> tuple[int, bytes, bool]:
    context = await asyncio.to_thread(_tls_context) if target.tls else None
    reader, writer = await asyncio.open_connection(
        target.host, target.port, ssl=context, limit=_MAX_HEAD
    )
    try:
        writer.write(target.request())
        status, fields = await _head(reader)
        if target.method == "HEAD" or status in {204, 304}:
            return status, b"", False
        if "chunked" in fields.get(b"transfer-encoding", b"").lower().decode("latin-1"):
            body = await _chunked(reader)
        else:
            length = fields.get(b"content-length")
            wanted = MAX_BODY + 1 if length is None else min(int(length), MAX_BODY + 1)
            body = await _up_to(reader, wanted, strict=length is not None)
        return status, body[:MAX_BODY], len(body) > MAX_BODY
    finally:
        writer.transport.abort()  # a peer that lingers keeps nothing of ours open


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes]]:
    """Status and header fields; interim answers (1xx) are skipped."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        version, code = first.split(b" ", 2)[:2]
        if not version.startswith(b"HTTP/1.") or not code.isdigit() or len(code) != 3:
            raise ValueError("not a status line")
        if not code.startswith(b"1"):
            pairs = (line.partition(b":") for line in lines)
            return int(code), {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while len(body) <= MAX_BODY:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        body += await _up_to(reader, min(size, MAX_BODY + 1 - len(body)), strict=True)
        if len(body) > MAX_BODY:
            break
        await reader.readexactly(2)
    return bytes(body)


async def _up_to(reader: asyncio.StreamReader, size: int, *, strict: bool) -> bytes:
    """`size` bytes. What ends earlier is enough unless `strict`."""
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        if strict:
            raise
        return error.partial


def json_at(tree: object, path: str) -> tuple[bool, object]:
    """Whether a JSON tree has the dotted `path`, and what stands there; numbers index lists."""
    for step in path.split("."):
        if isinstance(tree, dict) and step in tree:
            tree = tree[step]
        elif isinstance(tree, list) and step.isdecimal():
            with contextlib.suppress(IndexError):
                tree = tree[int(step)]
                continue
            return False, None
        else:
            return False, None
    return True, tree
