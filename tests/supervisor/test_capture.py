"""From a child's writes to display lines: every byte once, whatever it writes and who dies."""

import os
import subprocess

import pytest

from services.supervisor import spool
from services.supervisor.capture import CONTINUES, LINE_BYTES
from tests.supervisor.capturing import LogBench, Write, numbered, run
from tests.support.wait import wait_until


def test_whole_lines_at_once_and_a_partial_one_later(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"one\ntwo\nthr")
    capture.drain()
    assert bench.lines == [b"one", b"two"]
    write(b"ee\nfour")
    capture.drain()
    assert bench.lines == [b"one", b"two", b"three"]
    capture.finish()
    assert bench.lines == [b"one", b"two", b"three", b"four"]


def test_both_streams_of_a_child_and_their_decoration(bench: LogBench) -> None:
    capture = bench.capture()
    assert run(capture, "echo out; echo 'ERROR err' >&2; printf end") == 0
    capture.finish()
    levels = {
        line.split(b" - ")[2].removeprefix(b"web subprocess: "): line.split(b" - ")[1]
        for line in bench.displayed.splitlines()
    }
    assert levels == {b"out": b"INFO", b"ERROR err": b"ERROR", b"end": b"INFO"}
    assert sorted(bench.lines) == [b"ERROR err", b"end", b"out"]
    assert not bench.directory.exists()


async def test_output_is_followed_as_it_comes(bench: LogBench) -> None:
    capture = bench.capture()
    capture.follow()
    assert run(capture, "echo one; echo two >&2") == 0
    await wait_until(lambda: len(bench.lines) == 2)
    assert bench.appended == 2
    capture.pause()
    assert run(capture, "echo three") == 0
    capture.follow()
    await wait_until(lambda: bench.lines[-1] == b"three")
    capture.detach()


def test_what_arrives_while_paused_waits_in_the_pipe(bench: LogBench, write: Write) -> None:
    bench.capture()
    write(b"one\n")
    assert bench.displayed == b""
    bench.captures[-1].drain()
    assert bench.lines == [b"one"]


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\x80 bytes", b"a\0b", b"\xed\xa0\x80", "ünïcödé ✓".encode(), b"\xe2\x9c"]
)
def test_any_bytes_pass(bench: LogBench, write: Write, line: bytes) -> None:
    capture = bench.capture()
    write(line + b"\nafter\n")
    capture.finish()
    assert bench.lines == [line, b"after"]


def test_secrets_do_not_pass(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"password=hunter2\nplain\ntoken=abc")
    capture.finish()
    assert bench.lines == [b"password=[REDACTED]", b"plain", b"token=[REDACTED]"]


def test_a_secret_that_is_written_in_two_halves(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"password=hun")
    capture.drain()
    write(b"ter2\n")
    capture.drain()
    assert bench.lines == [b"password=[REDACTED]"]


def test_an_endless_line_is_split_with_a_mark(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"x" * (3 << 20))
    write(b"tail\nnext\n")
    capture.finish()
    parts = bench.lines
    assert [len(part) for part in parts] == [LINE_BYTES + len(CONTINUES)] * 3 + [4, 4]
    assert all(part.endswith(CONTINUES) for part in parts[:3])
    assert b"".join(p.removesuffix(CONTINUES) for p in parts[:4]) == b"x" * (3 << 20) + b"tail"
    assert parts[4] == b"next"


def test_a_line_just_below_the_limit_is_whole(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"y" * (LINE_BYTES - 1) + b"\nnext\n")
    capture.finish()
    assert bench.lines == [b"y" * (LINE_BYTES - 1), b"next"]


def test_empty_lines_are_lines(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"\n\na\n\n")
    capture.finish()
    assert bench.lines == [b"", b"", b"a", b""]


def test_consumed_segments_are_dropped(
    bench: LogBench, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 4096)
    capture = bench.capture()
    data = numbered(0, 20_000)
    for at in range(0, len(data), 3000):
        write(data[at : at + 3000])
        capture.drain()
    kept = list(bench.directory.glob("out.*.spool"))
    assert 1 <= len(kept) <= 2
    assert bench.lines == data.splitlines()


@pytest.mark.parametrize("segment", [4096, 4 << 20])
def test_a_successor_goes_on_without_gap_or_double(
    bench: LogBench, write: Write, monkeypatch: pytest.MonkeyPatch, segment: int
) -> None:
    monkeypatch.setattr(spool, "SEGMENT_BYTES", segment)
    data = numbered(0, 6000)
    for round_, at in enumerate(range(0, len(data), 1717)):
        if round_ % 4 == 0:
            bench.killed()
            bench.capture()
        write(data[at : at + 1717])  # ends inside a line
        if round_ % 3:
            bench.captures[-1].drain()
    bench.captures[-1].finish()
    assert bench.lines == data.splitlines()


def test_killed_between_spool_and_log(bench: LogBench, write: Write) -> None:
    """Bytes that are spooled but not in the log are the successor's."""
    first = bench.capture()
    write(b"one\n")
    first.drain()
    write(b"two\nthr")
    first._spools["out"].fill()
    bench.killed()
    second = bench.capture()
    write(b"ee\n")
    second.finish()
    assert bench.lines == [b"one", b"two", b"three"]


def test_each_generation_starts_at_its_own_beginning(bench: LogBench, write: Write) -> None:
    first = bench.capture()
    write(b"a rather long first generation\n")
    first.finish()
    second = bench.capture(generation=8)
    write(b"two\n")
    second.finish()
    assert bench.lines == [b"a rather long first generation", b"two"]


def test_a_child_that_closes_its_stdout_goes_on_with_stderr(bench: LogBench) -> None:
    capture = bench.capture()
    assert run(capture, "echo one; exec 1>&-; echo two >&2") == 0
    capture.finish()
    assert sorted(bench.lines) == [b"one", b"two"]


def test_a_child_that_reopens_its_stdout(bench: LogBench) -> None:
    capture = bench.capture()
    assert run(capture, "echo one; echo two > /dev/stdout; echo three >> /dev/stderr") == 0
    capture.finish()
    assert sorted(bench.lines) == [b"one", b"three", b"two"]


def test_nobody_reading_is_no_broken_pipe(bench: LogBench) -> None:
    """The supervisor is dead: the child writes on, into the pipe that it holds itself."""
    capture = bench.capture()
    out, err = capture.writers(None, None)
    bench.killed()
    child = subprocess.Popen(
        ["/bin/sh", "-c", "echo one; echo two; exit 5"], stdout=out, stderr=err
    )
    assert child.wait(10) == 5
    bench.capture().finish()
    os.close(out)
    os.close(err)
    assert bench.lines == [b"one", b"two"]


def test_finish_twice_and_detach_after(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b"one")
    capture.finish()
    capture.finish()
    capture.detach()
    capture.pause()
    assert bench.lines == [b"one"]
