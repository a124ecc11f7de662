"""Arithmetic of the byte cursor of `GET /logs` (contract rest.md 5). Pure.

A log is a row of bytes with offsets that only grow. What is kept of it are chunks of whole lines;
the oldest may be gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MIN_TAIL_BYTES: Final = 1024
MAX_TAIL_BYTES: Final = 8 << 20
DEFAULT_TAIL_BYTES: Final = 128 << 10
"""Limits and default of the query parameter `tail_bytes`."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a log from offset `start` on."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset after the last byte."""
        return self.start + len(self.data)

    def after(self, offset: int) -> "Chunk":
        """The part from `offset` on; all of it when `offset` lies before it."""
        if offset <= self.start:
            return self
        return Chunk(offset, self.data[offset - self.start :])


def plan_read(
    size: int, cursor: int | None, tail_bytes: int, *, same_file: bool
) -> tuple[int, bool]:
    """Where a read starts, and whether it is a reset (a new tail) instead of a continuation.

    A cursor is honoured while it lies in this log and not more than `tail_bytes` behind its end.
    """
    if cursor is not None and same_file and max(0, size - tail_bytes) <= cursor <= size:
        return cursor, False
    return max(0, size - tail_bytes), True


def cut_lines(chunks: Sequence[Chunk], start: int) -> Chunk:
    """Whole lines of neighbouring `chunks` from `start` on.

    A `start` inside a line skips to the next one, a last line without its newline is left for
    later. When the first chunk begins after `start`, so does the result: the caller compares.
    """
    if not chunks:
        return Chunk(start, b"")
    first = chunks[0]
    begin = max(start, first.start)
    data = b"".join((first.after(begin).data, *(chunk.data for chunk in chunks[1:])))
    inside = begin - first.start
    if inside > 0 and first.data[inside - 1 : inside] != b"\n":
        skipped = data.find(b"\n") + 1 or len(data)
        begin, data = begin + skipped, data[skipped:]
    return Chunk(begin, data[: data.rfind(b"\n") + 1])


def last_lines_of(chunks: Sequence[Chunk], count: int) -> list[Chunk]:
    """The last `count` lines of neighbouring chunks, still as chunks."""
    wanted = count
    kept: list[Chunk] = []
    for chunk in reversed(chunks):
        if wanted <= 0:
            break
        lines = chunk.data.count(b"\n")
        kept.append(chunk if lines <= wanted else _last_lines(chunk, wanted))
        wanted -= lines
    kept.reverse()
    return kept


def _last_lines(chunk: Chunk, count: int) -> Chunk:
    at = len(chunk.data)
    for _ in range(count + 1):
        at = chunk.data.rfind(b"\n", 0, at)
    return chunk.after(chunk.start + at + 1)
