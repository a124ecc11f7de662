"""A short program beside a service: a probe, a copy. It ends in time or is killed."""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.supervisor.spawn import drop_privileges

MAX_OUTPUT: Final = 4096
"""The last so many bytes of what it says are kept."""


@dataclass(frozen=True, slots=True)
class Person:
    """As whom, where and with which environment a program runs: as the service does."""

    env: Mapping[str, str]
    cwd: Path
    uid: int | None
    gid: int | None


@dataclass(frozen=True, slots=True)
class Ran:
    """How it ended. `code` is negative for a signal, None when it was killed for being late."""

    code: int | None
    output: str


async def run(argv: Sequence[str], person: Person, timeout_s: float) -> Ran:
    """Run it in a session of its own and wait.

    Raises:
        LaunchError: setpriv is missing.
        OSError: it cannot be executed.
    """
    child, reader = _start([*drop_privileges(person.uid, person.gid), *argv], person)
    output = _Tail(reader)
    in_time = False
    try:
        in_time = await _ended(child, timeout_s)
    finally:
        with contextlib.suppress(ProcessLookupError):  # what it left behind, too
            os.killpg(child.pid, signal.SIGKILL)
        if not in_time:  # one that hangs in the kernel dies whenever that lets it
            threading.Thread(target=child.wait, name="reap", daemon=True).start()
        text = output.close()
    return Ran(child.wait() if in_time else None, text)


def _start(command: list[str], person: Person) -> "tuple[subprocess.Popen[bytes], int]":
    """The child, and the end of the pipe from which its output is read."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        os.set_blocking(writer, True)  # of the child's end only
        child = subprocess.Popen(
            command,
            cwd=person.cwd,
            env=person.env,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    return child, reader


async def _ended(child: "subprocess.Popen[bytes]", timeout_s: float) -> bool:
    loop = asyncio.get_running_loop()
    pidfd = os.pidfd_open(child.pid)
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
    return True


class _Tail:
    """Drains a pipe, so that nobody blocks on it, and keeps the end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._data = b""
        asyncio.get_running_loop().add_reader(fd, self._read)

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return False
        self._data = (self._data + data)[-MAX_OUTPUT:]
        if not data:  # everybody has closed it: ask no more
            asyncio.get_running_loop().remove_reader(self._fd)
        return bool(data)

    def close(self) -> str:
        """Take what is there and let go. Who still writes gets SIGPIPE."""
        asyncio.get_running_loop().remove_reader(self._fd)
        for _ in range(4):
            if not self._read():
                break
        os.close(self._fd)
        return self._data.decode("utf-8", "replace")
