import fcntl
import os
import time
from collections.abc import Iterator

import pytest

from services.launcher.console import LIMIT_BYTES, Console


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue  # the test has closed it


def drain(console: Console, reader: int) -> bytes:
    """Read until the console has nothing left to write."""
    seen = b""
    while console.pending:
        seen += os.read(reader, 65536)
        console.write_some()
    os.set_blocking(reader, False)
    return seen + (os.read(reader, 65536) or b"")


def test_lines_carry_their_origin_and_colour_is_for_terminals(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    Console(writer, colour=False).line("api", b"up \xff")
    assert os.read(reader, 100) == b"api        | up \xff\n"
    Console(writer, colour=True).say("one\ntwo")
    assert os.read(reader, 100).count(b"\x1b[36mdumb       |\x1b[0m ") == 2


def test_a_reader_that_stands_still_costs_lines_and_never_time(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    console = Console(writer, colour=False)
    started = time.monotonic()
    for number in range(30_000):
        console.line("api", b"%050d" % number)
    assert time.monotonic() - started < 10
    assert console.pending

    seen = drain(console, reader)
    console.line("api", b"last")
    seen += drain(console, reader)
    lines = seen.decode().splitlines()
    kept = [line for line in lines if line.startswith("api") and line[-1].isdigit()]
    dropped = int(lines[-2].partition("(")[2].split()[0])
    assert lines[-1].endswith("last")
    assert len(kept) + dropped == 30_000
    assert len(seen) < LIMIT_BYTES + 8192


def test_a_reader_that_has_gone_is_no_error(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    console = Console(writer, colour=False)
    console.line("api", b"one")
    console.line("api", b"two")
    assert not console.pending


def test_flush_has_a_deadline(pipe: tuple[int, int]) -> None:
    _reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    console = Console(writer, colour=False)
    console.line("api", b"x" * 20_000)
    console.flush(0.05)
    assert console.pending
