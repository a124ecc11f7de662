"""From a child's writes to display lines: every byte once, whatever it writes and who dies."""

import os
import random
import subprocess

import orjson
import pytest

from services.supervisor import spool
from services.supervisor.capture import CONTINUES, LINE_BYTES
from shared.logformat import strip_ansi
from tests.shared.corpus import samples
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


# -- redaction over parts, lines and supervisors -------------------------------------------


def _multiline() -> tuple[bytes, list[bytes]]:
    sample = next(sample for sample in samples() if sample.name == "multiline")
    return sample.raw, sample.expected.splitlines()


def test_killed_between_any_two_bytes_of_secrets_of_several_lines(
    bench: LogBench, write: Write
) -> None:
    """Each byte is a write of its own, and after each the supervisor is killed."""
    raw, expected = _multiline()
    bench.capture()
    for at in range(len(raw)):
        write(raw[at : at + 1])
        if at % 3:
            bench.captures[-1].drain()
        bench.killed()
        bench.capture()
    bench.captures[-1].finish()
    assert bench.lines == expected


@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_in_any_log(bench: LogBench, write: Write, seed: int) -> None:
    rng = random.Random(seed)
    raw = b"".join(sample.raw for sample in samples())
    bench.capture()
    at = 0
    while at < len(raw):
        size = rng.choice([1, 17, 400, 3000])
        write(raw[at : at + size])
        at += size
        if rng.random() < 0.7:
            bench.captures[-1].drain()
        if rng.random() < 0.5:
            bench.killed()
            bench.capture()
    bench.captures[-1].finish()
    shown = strip_ansi(b"".join(sample.expected for sample in samples()))
    assert bench.lines == shown.splitlines()


def test_out_and_err_have_secrets_of_their_own(bench: LogBench) -> None:
    capture = bench.capture()
    key = "-----BEGIN PRIVATE KEY-----"
    assert run(capture, f"echo '{key}'; echo MIIEvQIB") == 0
    capture.drain()
    assert run(capture, "echo MIIEvQIB >&2; echo 'x y' >&2") == 0
    capture.drain()
    bench.killed()
    again = bench.capture()
    assert run(again, "echo QmFzZTY0") == 0
    again.finish()
    assert sorted(bench.lines) == sorted(
        [key.encode(), b"[REDACTED]", b"[REDACTED]", b"MIIEvQIB", b"x y"]
    )


@pytest.mark.parametrize("before", [0, 1, 9, 10, 14, 20, 40])
def test_a_secret_on_the_border_of_a_part_is_not_cut(
    bench: LogBench, write: Write, before: int
) -> None:
    """`before`: bytes of ` password=hunter2hunter2` in front of the border."""
    bench.capture()
    write(b"x" * (LINE_BYTES - before) + b" password=hunter2hunter2 and the rest\n")
    bench.captures[-1].finish()
    shown = b"".join(line.removesuffix(CONTINUES) for line in bench.lines)
    assert shown == b"x" * (LINE_BYTES - before) + b" password=[REDACTED] and the rest"


def test_a_secret_of_several_parts(bench: LogBench, write: Write) -> None:
    bench.capture()
    write(b'{"token": "' + b"0123456789abcdef" * (2 << 16))
    bench.captures[-1].drain()
    bench.killed()
    bench.capture()
    write(b"0123456789abcdef" * (2 << 16) + b'", "n": 1}\nnext\n')
    bench.captures[-1].finish()
    first, *parts, last, following = bench.lines
    assert first == b'{"token": "[REDACTED]' + CONTINUES
    assert set(parts) == {b"[REDACTED]" + CONTINUES}
    assert (last, following) == (b'[REDACTED]", "n": 1}', b"next")


def test_whether_a_line_is_too_long_does_not_depend_on_its_company(
    bench: LogBench, write: Write
) -> None:
    """Lines that arrive together are cut as those that arrive one by one."""
    data = b"short\n" + b"y" * (LINE_BYTES + 100) + b"\nshort\n" + b"z" * LINE_BYTES + b"\nend\n"
    for generation, size in ((7, len(data)), (8, 100_000), (9, 777_777)):
        capture = bench.capture(generation)
        for at in range(0, len(data), size):
            write(data[at : at + size])
            capture.drain()
        capture.finish()
    lines = bench.lines
    assert [len(line) for line in lines[:6]] == [
        5,
        LINE_BYTES + len(CONTINUES),
        100,
        5,
        LINE_BYTES,
        3,
    ]
    assert lines == lines[:6] * 3


def test_parts_across_segments(
    bench: LogBench, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of a part may have begun in a segment before the newest one."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 300_000)
    data = b"".join(b"%07d " % number for number in range(300_000))
    bench.capture()
    for at in range(0, len(data), 100_000):
        write(data[at : at + 100_000])
        bench.captures[-1].drain()
        bench.killed()
        bench.capture()
    write(b"\nnext\n")
    bench.captures[-1].finish()
    *parts, last = bench.lines
    assert b"".join(part.removesuffix(CONTINUES) for part in parts) == data
    assert (len(parts), last) == (3, b"next")


def test_the_reason_of_a_failed_start_holds_no_secret(bench: LogBench, write: Write) -> None:
    capture = bench.capture()
    write(b'-----BEGIN PRIVATE KEY-----\nMIIEvQIB\npassword: "' + b"h" * 20_000)
    capture.drain()
    out, _ = capture.last_lines()
    assert out[-2:] == ["[REDACTED]", 'password: "[REDACTED]']


def test_versions_before_can_read_the_position(bench: LogBench, write: Write) -> None:
    """What is open stands beside the positions; they ignore it. Nothing is there without need."""
    bench.capture()
    write(b"one\n")
    bench.captures[-1].drain()
    assert bench.store.source == {"generation": 7, "out": (0, 4), "err": (0, 0)}
    write(b"-----BEGIN PRIVATE KEY-----\nMIIEvQIB\n")
    bench.captures[-1].drain()
    position = orjson.loads((bench.directory.parent / "web.pos").read_bytes())
    assert len(position) == 4
    source = position[3]
    assert (source["generation"], source["out"], source["err"]) == (7, [0, 41], [0, 0])
    assert source["redaction"] == {"out": ["pem", 0, 149, False]}
