"""What a capture tells of a child that failed, and of a disk that refuses."""

import os

import pytest

from tests.supervisor.capturing import LogBench, Write, numbered, run
from tests.supervisor.conftest import FullDisk


def test_the_last_lines_tell_why(bench: LogBench) -> None:
    capture = bench.capture()
    run(capture, "echo 'ERROR token=abc is bad' >&2")
    capture.drain()
    run(capture, "echo bye >&2; printf 'no newline'")
    capture.drain()
    out, err = capture.last_lines()
    assert err == ["ERROR token=[REDACTED] is bad", "bye"]
    assert out == ["no newline"]


def test_the_last_lines_are_few(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(numbered(0, 50_000))
    capture.drain()
    out, _ = capture.last_lines()
    assert out[-1] == "line 49999"
    assert len(out) == 50


def test_a_log_that_the_disk_refuses_is_marked(
    bench: LogBench, write: Write, full_disk: FullDisk
) -> None:
    capture = bench.capture()
    write(b"one\n")
    capture.drain()
    log = bench.store.path.stat().st_ino
    full_disk.only = lambda fd: os.fstat(fd).st_ino == log
    full_disk.room = 0
    for _ in range(3):
        write(b"lost\nlost\n")
        capture.drain()
    full_disk.room = 1 << 20
    write(b"back\n")
    capture.drain()
    assert bench.lines == [
        b"one",
        b"WARNING 6 lines of output were lost: the disk refused them",
        b"back",
    ]


def test_a_spool_that_the_disk_refuses_does_not_block_the_child(
    bench: LogBench, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = bench.capture()
    write(b"one\n")
    capture.drain()

    def refused(*_args: object, **_more: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "splice", refused)
        patch.setattr(os, "pwrite", refused)
        write(b"lost\n" * 100_000)  # more than a pipe holds
        capture.drain()
    write(b"back\n")
    capture.drain()
    assert bench.lines == [
        b"one",
        b"WARNING 99999 lines of output were lost: the disk refused them",
        b"lost",  # the first one waited in memory: the spool might have held its head
        b"back",
    ]
