"""Waiting on a condition with a deadline: the tests' replacement for sleeps."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

PAUSE_S = 0.01
"""Between two looks. Short, so that a test takes as long as what it waits for."""


async def wait_until(
    condition: Callable[[], object] | Callable[[], Awaitable[object]],
    *,
    timeout: float = 10.0,
    what: str = "",
) -> None:
    """Return once `condition()` (plain or async) is true.

    Raises:
        TimeoutError: it stayed false for `timeout` seconds; the message says `what`.
    """
    deadline = time.monotonic() + timeout
    while True:
        outcome = condition()
        if inspect.isawaitable(outcome):
            outcome = await outcome
        if outcome:
            return
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout} s: {what or condition!r}")
        await asyncio.sleep(PAUSE_S)


def wait_until_sync(
    condition: Callable[[], object], *, timeout: float = 10.0, what: str = ""
) -> None:
    """`wait_until` for tests without an event loop. Raises `TimeoutError` likewise."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {timeout} s: {what or condition!r}")
        time.sleep(PAUSE_S)
