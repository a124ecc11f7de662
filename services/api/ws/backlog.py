"""The last lines of several logs in the order of their time. Pure."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from services.api.ws.frames import iso_time
from shared.logcursor import Chunk
from shared.logformat import parse_line
from shared.models.log import LEVELS

RUN_BYTES: Final = 128 << 10


@dataclass(frozen=True, slots=True)
class Line:
    """One display line with its newline. `time` sorts; `end` is the offset after the line."""

    time: str
    log: int
    end: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring lines of one log. `end` is the offset after the last one."""

    log: int
    end: int
    data: bytes


def lines_of(log: int, chunks: Sequence[Chunk], level: int, count: int) -> list[Line]:
    """The last `count` lines of at least `level`. A line without a time has its neighbour's."""
    found: list[Line] = []
    time = ""
    for chunk in chunks:
        end = chunk.start
        for data in _split(chunk.data):
            end += len(data)
            stamp, name, _ = parse_line(data.decode("utf-8", "replace"))
            time = (iso_time(stamp) or time) if stamp else time
            if LEVELS.index(name) >= level:
                found.append(Line(time, log, end, data))
    return found[-count:] if count else []


def merge(logs: Sequence[Sequence[Line]], count: int) -> list[Run]:
    """The last `count` lines of all logs by time, as runs of one log each."""
    lines = list(heapq.merge(*logs, key=lambda line: line.time))[-count:] if count else []
    return [
        Run(log, part[-1].end, b"".join(line.data for line in part))
        for log, group in groupby(lines, key=lambda line: line.log)
        for part in _portions(group)
    ]


def _portions(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """No run, and so no frame, is much larger than a chunk: clients limit what they accept."""
    part: list[Line] = []
    size = 0
    for line in lines:
        part.append(line)
        size += len(line.data)
        if size >= RUN_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _split(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]]
