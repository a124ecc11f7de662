"""Services of the fault tests: each notes its start and proves that it is alone.

Usage: fault_child.py MODE DIRECTORY NAME

In DIRECTORY it keeps `NAME.starts` (a line `pid instance` per start), `NAME.doubles` (a line
per start that found another copy alive, told by a lock that a process holds until it is gone)
and, for the writers, reads `NAME.credit` (how many lines it may write), keeps `NAME.progress`
(how many it wrote) and ends its numbers when `NAME.finish` is there.

Modes: `flood` writes numbered lines as fast as its credit allows, in blocks that are cut at any
byte; `slow` one now and then, in two halves; `worker` waits for its end; `stubborn` does too and
ignores SIGTERM; `family` has a child in its session that ignores SIGTERM; `brief` ends as soon
as `NAME.finish` is there.
"""

import fcntl
import os
import random
import signal
import sys
import time
from pathlib import Path

LINE_MODES = {"flood": (400, 0.0), "slow": (1, 0.02)}
"""Lines per block, seconds between blocks."""


def _register(directory: Path, name: str) -> int:
    """Note this start; the descriptor of the lock, which must stay open."""
    lock = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT)
    line = f"{os.getpid()} {os.environ.get('DUMB_INSTANCE', '')}\n"
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _append(directory / f"{name}.doubles", line)
    _append(directory / f"{name}.starts", line)
    return lock


def _append(path: Path, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, line.encode())
    os.close(fd)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _numbers(directory: Path, name: str, rng: random.Random) -> None:
    """Lines `<number> <x...> <number>`, until the finish; then one line `last <number>`."""
    most, pause = LINE_MODES[sys.argv[1]]
    credit = os.open(directory / f"{name}.credit", os.O_RDONLY)
    finish = directory / f"{name}.finish"
    progress = os.open(directory / f"{name}.progress", os.O_WRONLY | os.O_CREAT, 0o644)
    number = 0
    while not finish.exists():
        if number >= int(os.pread(credit, 32, 0)):
            time.sleep(0.001)
            continue
        block = bytearray()
        for number in range(number + 1, number + 1 + rng.randint(1, most)):  # noqa: B020
            block += b"%09d %s %09d\n" % (number, b"x" * rng.randint(0, 40), number)
        cut = rng.randint(0, len(block))
        _write(bytes(block[:cut]))
        if pause or rng.random() < 0.02:
            time.sleep(max(pause, 0.01))  # half a line is out now
        _write(bytes(block[cut:]))
        os.pwrite(progress, b"%020d" % number, 0)
    _write(b"last %09d\n" % number)


def _wait_for_end(number: int, directory: Path, name: str) -> None:
    finish = directory / f"{name}.finish"
    while not (number == 0 and finish.exists()):
        time.sleep(0.02)


def main() -> None:
    """Register and do what the mode says."""
    mode, directory, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    if mode in {"stubborn", "family"}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "family" and os.fork():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    elif mode == "family":
        name += "-child"
    lock = _register(directory, name)
    if mode in LINE_MODES:
        _numbers(directory, name, random.Random(name))
        signal.pause()
    _write(f"{name} is up\n".encode())
    if mode == "brief":
        _wait_for_end(0, directory, name)
    else:
        signal.pause()
    os.close(lock)


if __name__ == "__main__":
    main()
