"""Requests that no client library would send."""

import asyncio


async def raw_exchange(port: int, request: bytes, *, timeout: float = 10.0) -> bytes:
    """Send bytes, read the answer to its end. The request asks for `Connection: close`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(timeout):
            writer.write(request)
            try:
                await writer.drain()
                return await reader.read()
            except ConnectionError:
                return b""
    finally:
        writer.close()


def get(target: bytes, *headers: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    """One request as it goes over the wire."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: 127.0.0.1", b"Connection: close"]
    if body or method == b"POST":
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, *headers, b"", body])


def status_of(answer: bytes) -> int:
    """The status of an answer; 0 when the connection was closed without one."""
    parts = answer.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 else 0
