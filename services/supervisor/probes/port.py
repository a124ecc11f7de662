"""Does a port answer? The kernel has no event for another process's `listen`, so this asks,
first after 1 ms, then less and less often."""

import asyncio
import contextlib
from typing import Final

_FIRST_S: Final = 0.001
_LONGEST_S: Final = 0.1
_CONNECT_S: Final = 1.5
"""Contract lifecycle 9: how long a connection may take."""


async def answers(host: str, port: int) -> bool:
    """Whether a TCP connection to the port succeeds now."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def wait_until_answers(host: str, port: int) -> None:
    """Return when the port answers; the caller sets the deadline by cancelling."""
    pause = _FIRST_S
    while not await answers(host, port):
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_S)
