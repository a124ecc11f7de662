"""The display format of log lines: contract websocket.md 2, gap B15."""

import random
import re
import time

import pytest

from shared.logformat import LineFormatter, display_time, own_line, parse_line

NOW = time.mktime((2026, 11, 23, 22, 20, 38, 0, 0, -1))
STAMP = b"Nov 23, 2026 22:20:38"


def formatter(name: str = "Svc A", instance: str = "") -> LineFormatter:
    return LineFormatter(name, instance=instance, clock=lambda: NOW)


def test_a_plain_line() -> None:
    assert formatter().format(b"hello\n") == STAMP + b" - INFO - Svc A subprocess: hello\n"


def test_a_single_digit_day_is_padded_with_a_space() -> None:
    assert display_time(time.mktime((2027, 2, 3, 4, 5, 6, 0, 0, -1))) == "Feb  3, 2027 04:05:06"


def test_nothing_gives_nothing() -> None:
    assert formatter().format(b"") == b""


def test_every_line_of_a_chunk_has_its_prefix() -> None:
    prefix = STAMP + b" - INFO - Svc A subprocess: "
    expected = prefix + b"a\n" + prefix + b"\n" + prefix + b"b\n"
    assert formatter().format(b"a\n\nb\n") == expected


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("DEBUG x", "DEBUG"),
        ("INFO x", "INFO"),
        ("NOTICE x", "DEBUG"),
        ("WARN x", "WARNING"),
        ("WARNING x", "WARNING"),
        ("[ERROR] x", "ERROR"),
        ("CRITICAL: x", "CRITICAL"),
        ("2026 LOG:  x ERROR", "INFO"),
        ("FATAL: x", "CRITICAL"),
        ("x DEBUG then ERROR", "DEBUG"),
        ("level=WARN", "WARNING"),
        ("ERROR", "ERROR"),
        ("an error, a warning", "INFO"),
        ("ERRORS 3", "INFO"),
        ("ERROR_COUNT=3", "INFO"),
        ("MY_ERROR=3", "INFO"),
        ("CATALOG", "INFO"),
        ("TERROR then ERROR", "ERROR"),
        ("INFORMATION ABOUT WARNINGS", "INFO"),
    ],
)
def test_the_first_whole_level_word_decides_and_the_text_stays_whole(text: str, level: str) -> None:
    expected = f"{STAMP.decode()} - {level} - Svc A subprocess: {text}\n"
    assert formatter().format(text.encode() + b"\n").decode() == expected


def test_colours_go_and_do_not_hide_the_level() -> None:
    line = formatter().format(b"\x1b[1;31mERROR\x1b[0m disk \x1b[2Kfull\n")
    assert line == STAMP + b" - ERROR - Svc A subprocess: ERROR disk full\n"


def test_a_leading_short_date_is_removed_from_every_line() -> None:
    chunk = b"26-11-23 22:20:38 one\n26-11-23 22:20:39 two\nat 26-11-23 22:20:38 three\n"
    texts = [line.split(b"subprocess: ")[1] for line in formatter().format(chunk).splitlines()]
    assert texts == [b"one", b"two", b"at 26-11-23 22:20:38 three"]


def test_carriage_returns_at_line_ends_go() -> None:
    lines = formatter().format(b"a\r\nb\rc\r\n")
    assert lines.replace(STAMP + b" - INFO - Svc A subprocess: ", b"") == b"a\nb\rc\n"


def test_rclone_names_its_mount_on_stderr_only() -> None:
    rclone = formatter("rclone", "RealDebrid")
    assert rclone.format(b"x\n", stderr=True) == (
        STAMP + b' - INFO - rclone mount name "RealDebrid": x\n'
    )
    assert b"rclone subprocess: x" in rclone.format(b"x\n")
    other = formatter("rclone w/ RealDebrid", "RealDebrid")
    assert b"rclone w/ RealDebrid subprocess: x" in other.format(b"x\n", stderr=True)


def test_the_time_follows_the_clock() -> None:
    now = [NOW]
    clocked = LineFormatter("A", clock=lambda: now[0])
    assert clocked.format(b"x\n").startswith(STAMP)
    now[0] += 1
    assert clocked.format(b"x\n").startswith(b"Nov 23, 2026 22:20:39")


def test_any_bytes_and_any_name_are_taken() -> None:
    odd = LineFormatter("Zürg \ud800", clock=lambda: NOW)
    line = odd.format(b"\xff\x00\xfe ERROR \n")
    assert line == STAMP + " - ERROR - Zürg ? subprocess: ".encode() + b"\xff\x00\xfe ERROR \n"


def reference(chunk: bytes) -> list[bytes]:
    """One line at a time, slowly: what the chunk-wise code has to equal."""
    names = {b"NOTICE": b"DEBUG", b"WARN": b"WARNING", b"LOG": b"INFO", b"FATAL": b"CRITICAL"}
    out = []
    for line in chunk.split(b"\n")[:-1]:
        pattern = rb"\b(DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|LOG|FATAL)\b"
        word = re.search(pattern, line)
        level = names.get(word[1], word[1]) if word else b"INFO"
        out.append(STAMP + b" - " + level + b" - Svc A subprocess: " + line + b"\n")
    return out


def test_chunks_of_mixed_lines_equal_a_line_by_line_reference() -> None:
    rng = random.Random(7)
    words = [
        b"a",
        b"",
        b"ERROR",
        b"WARN",
        b"xERROR",
        b"INFO",
        b"LOG",
        b"FATAL.",
        b"DEBUG_",
        b"\xff",
    ]
    for _ in range(2000):
        lines = [b" ".join(rng.choices(words, k=rng.randrange(4))) for _ in range(rng.randrange(8))]
        chunk = b"".join(line + b"\n" for line in lines)
        assert formatter().format(chunk) == b"".join(reference(chunk)), chunk


def test_our_own_lines_have_no_process_and_one_prefix_per_line() -> None:
    lines = own_line("ERROR", "first\nsecond\n", NOW)
    assert lines == STAMP + b" - ERROR - first\n" + STAMP + b" - ERROR - second\n"


def test_parsing_gives_back_what_formatting_put_in() -> None:
    line = formatter().format(b"disk - ERROR - full\n").decode().rstrip("\n")
    text = "Svc A subprocess: disk - ERROR - full"
    assert parse_line(line) == (STAMP.decode(), "ERROR", text)
    early = own_line("DEBUG", "x", time.mktime((2026, 3, 1, 0, 0, 0, 0, 0, -1))).decode()
    assert parse_line(early.rstrip("\n")) == ("Mar  1, 2026 00:00:00", "DEBUG", "x")


@pytest.mark.parametrize(
    "line", ["", "hello", "a - b - c", "2026-11-23 22:20:38,12 - INFO - x", " - INFO - x"]
)
def test_a_line_of_another_format_is_all_text(line: str) -> None:
    assert parse_line(line) == ("", "INFO", line)
