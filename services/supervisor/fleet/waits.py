"""Waiting for what a service needs from outside, before its spawn. Cancel it to stop waiting."""

import asyncio
import os
from collections.abc import Sequence
from typing import Final

import orjson

from services.supervisor.effects import Tell
from services.supervisor.fleet.mounts import MountWatch, mounted
from services.supervisor.fleet.wanted import (
    PathWait,
    TcpWait,
    UrlWait,
    Wait,
)
from services.supervisor.probes.apart import apart
from services.supervisor.probes.http import HttpError, fetch, json_at
from services.supervisor.probes.port import answers
from services.supervisor.spawn import LaunchError
from shared.config.timing import DEFAULT_WAIT_S

FIRST_PAUSE_S: Final = 0.05
GROWTH: Final = 1.5
LONGEST_PAUSE_S: Final = 2.0
"""Between two looks at what nobody announces: a file, a port, an address."""

PATIENCE_S: Final = 1.0
"""A look that takes longer (a dead mount, a slow server) is itself news."""


async def wait_for_all(waits: Sequence[Wait], tell: Tell, limit_s: float | None) -> None:
    """Return when everything is there, one after another.

    Args:
        tell: hears what is waited for, and why it is not there yet.
        limit_s: for all together; None: no limit, but `DEFAULT_WAIT_S` for addresses.

    Raises:
        LaunchError: it took too long.
    """
    others = [wait for wait in waits if not isinstance(wait, UrlWait)]
    urls = [wait for wait in waits if isinstance(wait, UrlWait)]
    heard = waits[0].label if waits else ""

    def listen(what: str) -> None:
        nonlocal heard
        heard = what
        tell(what)

    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(limit_s):
            for other in others:
                await _wait(other, listen)
            async with asyncio.timeout(DEFAULT_WAIT_S if limit_s is None else None):
                for url in urls:
                    await _wait(url, listen)
    except TimeoutError:
        took = asyncio.get_running_loop().time() - began
        raise LaunchError(f"Waited {took:.0f} s in vain for {heard}.") from None


async def _wait(wait: Wait, tell: Tell) -> None:
    if not await _look(wait, tell):
        return
    watch = MountWatch() if isinstance(wait, PathWait) else None
    pause = FIRST_PAUSE_S
    try:
        while why := await _look(wait, tell):  # again: it may have come before the watch began
            tell(f"{wait.label} ({why})")
            if watch is not None:
                await watch.changed(pause)
            else:
                await asyncio.sleep(pause)
            pause = min(pause * GROWTH, LONGEST_PAUSE_S)
    finally:
        if watch is not None:
            watch.close()


async def _look(wait: Wait, tell: Tell) -> str:
    """One look: "" when it is there, else why not. One that takes long is told of."""
    look = asyncio.get_running_loop().create_task(_looks(wait))
    try:
        done, _ = await asyncio.wait({look}, timeout=PATIENCE_S)
        if not done:
            tell(f"{wait.label} (no answer yet)")
        return await look
    finally:
        look.cancel()


async def _looks(wait: Wait) -> str:
    if isinstance(wait, PathWait):
        return await (_mount(wait.path) if wait.mounted else apart(lambda: _stat(wait.path)))
    if isinstance(wait, TcpWait):
        return "" if await answers(wait.host, wait.port, wait.timeout_s) else "does not answer"
    return await _url(wait)


def _stat(path: str) -> str:
    try:
        os.stat(path)  # noqa: PTH116 - for its error
    except OSError as error:
        return error.strerror or "cannot be read"
    return ""


async def _mount(path: str) -> str:
    points = mounted()
    if path in points:
        return ""
    # Only where the path leads through a symbolic link does the file system have to be asked.
    real = await apart(lambda: os.path.realpath(path))
    return "" if real in points else "not mounted"


async def _url(wait: UrlWait) -> str:
    try:
        answer = await fetch(wait.target, wait.timeout_s)
    except HttpError as error:
        return str(error)
    if not 200 <= answer.status < 300:
        return f"HTTP {answer.status}"
    if not wait.json_path:
        return ""
    try:
        there, _ = json_at(orjson.loads(answer.body), wait.json_path)
    except orjson.JSONDecodeError:
        return "the answer is not JSON"
    return "" if there else f"the answer lacks '{wait.json_path}'"
