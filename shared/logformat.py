"""Raw output lines to display lines and back (contract websocket.md 2). Bytes in, bytes out.

This is the hot path of log capture: whole chunks are handled with a few C calls, and only lines
that carry a level word cost Python time of their own.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Final

# strftime's %b follows the locale; clients parse English.
_MONTHS: Final = "JanFebMarAprMayJunJulAugSepOctNovDec"

_DEFAULT_LEVEL: Final = b"INFO"
_LEVEL_OF_WORD: Final[dict[bytes, bytes]] = {
    b"DEBUG": b"DEBUG",
    b"INFO": b"INFO",
    b"NOTICE": b"DEBUG",
    b"WARNING": b"WARNING",
    b"WARN": b"WARNING",
    b"ERROR": b"ERROR",
    b"CRITICAL": b"CRITICAL",
    b"LOG": b"INFO",
    b"FATAL": b"CRITICAL",
}
_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})

# No word boundary in front: a pattern that starts with a letter is searched four times as fast.
# `_starts_word` looks at the byte before a hit instead.
_WORD: Final = re.compile(
    rb"(?:DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|LOG|FATAL)(?![0-9A-Za-z_])"
)
_WORD_BYTES: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_ANSI: Final = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")
_DATED: Final = re.compile(rb"\n\d\d-\d\d-\d\d \d\d:\d\d:\d\d ")
_DATED_START: Final = re.compile(rb"\d\d-\d\d-\d\d \d\d:\d\d:\d\d ")
_TS_LENGTH: Final = 21


def display_time(now: float) -> str:
    """`Nov  3, 2026 22:20:38`: local time, English month, day padded with a space.

    Args:
        now: epoch seconds.
    """
    t = time.localtime(now)
    month = _MONTHS[3 * t.tm_mon - 3 : 3 * t.tm_mon]
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{month} {t.tm_mday:2}, {t.tm_year:04} {clock}"


def own_line(level: str, message: str, now: float) -> bytes:
    """Display lines for a message of our own; each of its lines gets the time and the level."""
    prefix = f"{display_time(now)} - {level} - "
    lines = message.rstrip("\n").split("\n")
    return "".join(f"{prefix}{line}\n" for line in lines).encode("utf-8", "replace")


def parse_line(line: str) -> tuple[str, str, str]:
    """Split a display line into time, level and text (which keeps `<name> subprocess: `).

    A line of another format gives `("", "INFO", line)`.
    """
    parts = line.split(" - ", 2)
    if len(parts) == 3:
        ts, level, text = parts
        if level in _LEVELS and len(ts) == _TS_LENGTH and ts[6] == "," and ts[18] == ":":
            return ts, level, text
    return "", "INFO", line


def strip_ansi(chunk: bytes) -> bytes:
    """`chunk` without terminal control sequences: display lines carry no colours."""
    return _ANSI.sub(b"", chunk) if b"\x1b" in chunk else chunk


class LineFormatter:
    """Display lines for the captured output of one service.

    Args:
        process_name: shown in front of each line.
        instance: instance name, shown for a process named exactly `rclone` on stderr.
        clock: epoch seconds.
    """

    def __init__(
        self, process_name: str, *, instance: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._second = -1
        self._stamp = b""
        self._stdout_label = f"{process_name} subprocess: ".encode("utf-8", "replace")
        self._stderr_label = self._stdout_label
        if process_name == "rclone":
            label = f'rclone mount name "{instance}": '
            self._stderr_label = label.encode("utf-8", "replace")

    def format(self, chunk: bytes, *, stderr: bool = False) -> bytes:
        """Display lines for whole raw lines, each ending in a newline, already redacted.

        The first level word of a line is its level; the text is never cut (gap B15).
        """
        if not chunk:
            return b""
        label = self._stderr_label if stderr else self._stdout_label
        clean = _tidy(chunk)
        stamp = self._time_stamp()
        out: list[bytes] = []
        for level, start, end in _runs(clean):
            prefix = b"%b%b - %b" % (stamp, level, label)
            newline = b"\n" + prefix
            out += (prefix, clean[start : end - 1].replace(b"\n", newline), b"\n")
        return b"".join(out)

    def _time_stamp(self) -> bytes:
        now = self._clock()
        if int(now) != self._second:
            self._second = int(now)
            self._stamp = f"{display_time(now)} - ".encode()
        return self._stamp


def _tidy(chunk: bytes) -> bytes:
    """Without control sequences, carriage returns at line ends and `dd-dd-dd HH:MM:SS `."""
    if not chunk.endswith(b"\n"):
        chunk += b"\n"
    chunk = strip_ansi(chunk)
    if b"\r" in chunk:
        chunk = chunk.replace(b"\r\n", b"\n")
    dated = _DATED_START.match(chunk)
    if dated:
        chunk = chunk[dated.end() :]
    return _DATED.sub(b"\n", chunk)


def _runs(chunk: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Neighbouring lines of one level as `(level, start, end)`, together all of `chunk`."""
    current, start = _DEFAULT_LEVEL, 0
    done = 0  # everything before this offset has its level
    for level, line_start, line_end in _marked_lines(chunk):
        if line_start > done and current != _DEFAULT_LEVEL:
            yield current, start, done
            current, start = _DEFAULT_LEVEL, done
        if level != current:
            if line_start > start:
                yield current, start, line_start
            current, start = level, line_start
        done = line_end
    if done < len(chunk) and current != _DEFAULT_LEVEL:
        yield current, start, done
        current, start = _DEFAULT_LEVEL, done
    if start < len(chunk):
        yield current, start, len(chunk)


def _marked_lines(chunk: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The lines that carry a level word: `(level, start, end)`, `end` after the newline."""
    at = line_start = 0
    size = len(chunk)
    while at < size:
        hit = _WORD.search(chunk, at)
        if hit is None:
            return
        first = hit.start()
        if first and chunk[first - 1] in _WORD_BYTES:
            at = hit.end()
            continue
        line_start = chunk.rfind(b"\n", line_start, first) + 1 or line_start
        at = chunk.find(b"\n", first) + 1
        yield _LEVEL_OF_WORD[hit[0]], line_start, at
        line_start = at
