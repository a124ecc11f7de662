"""What the tests of the supervisor's parts share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.supervisor.capturing import LogBench, Write


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator["FullDisk"]:
    """A disk on which tests decide how much room there is for `os.pwrite`."""
    disk = FullDisk()
    monkeypatch.setattr(os, "pwrite", disk)
    yield disk
    monkeypatch.undo()


class FullDisk:
    """Stands in for `os.pwrite`; `only` limits it to descriptors that a test names."""

    def __init__(self) -> None:
        self.room = 1 << 40
        self.only: Callable[[int], bool] = _any
        self._real = os.pwrite

    def __call__(self, fd: int, data: bytes, offset: int) -> int:
        """Write what fits, as the kernel does."""
        if not self.only(fd):
            return self._real(fd, data, offset)
        take = min(len(data), self.room)
        if data and take == 0:
            raise OSError(28, "No space left on device")
        self.room -= take
        return self._real(fd, data[:take], offset)


def _any(_fd: int) -> bool:
    return True


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LogBench]:
    bench = LogBench(tmp_path)
    yield bench
    for capture in bench.captures:
        capture.detach()
    bench.store.close()


@pytest.fixture
def write(bench: LogBench) -> Iterator[Write]:
    """Write to stdout of the newest capture, all of it, draining as the pipe fills."""
    opened: list[int] = []

    def write(data: bytes) -> None:
        capture = bench.captures[-1]
        out, err = capture.writers(None, None)
        opened.extend((out, err))
        os.set_blocking(out, False)
        while data:
            try:
                data = data[os.write(out, data) :]
            except BlockingIOError:
                capture.drain()

    yield write
    for fd in opened:
        os.close(fd)
