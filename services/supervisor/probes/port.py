"""Does a port answer? The kernel has no event for another process's `listen`, so this asks,
first after 1 ms, then less and less often."""

import asyncio
import ipaddress
import socket
from typing import Final

_FIRST_S: Final = 0.001
_LONGEST_S: Final = 0.1
_CONNECT_S: Final = 1.5
"""Contract lifecycle 9: how long a connection may take."""


async def answers(host: str, port: int, timeout_s: float = _CONNECT_S) -> bool:
    """Whether a TCP connection to the port succeeds now."""
    try:
        family = _family(host)
        async with asyncio.timeout(timeout_s):
            if family is None:
                return await _by_name(host, port)
            return await _by_address(family, host, port)
    except (OSError, TimeoutError, ValueError, OverflowError):
        return False


def _family(host: str) -> socket.AddressFamily | None:
    """Of an address; None for a name, which somebody has to look up."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return socket.AF_INET if version == 4 else socket.AF_INET6


async def _by_address(family: socket.AddressFamily, host: str, port: int) -> bool:
    """A bare socket: transports and streams cost three times as much."""
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as sock:
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
    return True


async def _by_name(host: str, port: int) -> bool:
    _, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()
    return True


async def wait_until_answers(host: str, port: int) -> None:
    """Return when the port answers; the caller sets the deadline by cancelling."""
    pause = _FIRST_S
    while not await answers(host, port):
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_S)
