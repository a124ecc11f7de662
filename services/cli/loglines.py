"""Display lines for people: chosen by time and level, merged, coloured. Pure."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.cli.tables import harmless
from services.cli.terminal import Terminal
from shared.errors import DumbError
from shared.logformat import parse_line
from shared.models.log import LEVELS

COLOURS: Final = {"DEBUG": "2", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
NAME_COLOURS: Final = ("36", "35", "34", "32", "96", "95", "94", "92")
_RANK: Final = {name: rank for rank, name in enumerate(LEVELS)}
_STAMP: Final = "%b %d, %Y %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Line:
    """`at`: epoch seconds by the clock of the supervisor's machine, None when it does not say.

    A line that does not say, such as one of a trace, has time and level of the line before it.
    """

    service: str
    at: float | None
    level: str
    text: str


class LineReader:
    """Lines of one service, chunk after chunk."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._stamp = ""
        self.at: float | None = None
        """Of the last line that had a time, in epoch seconds."""
        self._level = "INFO"

    def read(self, chunk: str) -> Iterator[Line]:
        """`chunk` holds whole lines."""
        for text in chunk.split("\n")[:-1]:
            stamp, level, _ = parse_line(text)
            if stamp:
                self._level = level
            if stamp and stamp != self._stamp:
                self._stamp, self.at = stamp, _instant(stamp)
            yield Line(self._service, self.at, self._level, text)


@dataclass(frozen=True, slots=True)
class Filter:
    """`since` in epoch seconds, 0 for all; `rank` an index into `LEVELS`."""

    since: float = 0.0
    rank: int = 0

    def lets(self, line: Line) -> bool:
        """A line whose time is not known is let through: it may be what is looked for."""
        late = line.at is None or line.at >= self.since
        return late and _RANK[line.level] >= self.rank


class Painter:
    """Lines as they are printed. With `many` services each says whose it is."""

    def __init__(self, terminal: Terminal, *, many: bool) -> None:
        self._terminal = terminal
        self._many = many
        self._colours: dict[str, str] = {}

    def paint(self, line: Line) -> str:
        """With its newline."""
        text = line.text
        if self._many and f"{line.service} subprocess: " not in text:
            text = f"{line.service} | {text}"
        if not self._terminal.live:
            return f"{text}\n"
        text = harmless(text)
        code = COLOURS.get(line.level, "")
        if self._many and not code:
            code = self._colour(line.service)
            head, found, rest = text.partition(line.service)
            return f"{head}{self._terminal.paint(found, code)}{rest}\n"
        return f"{self._terminal.paint(text, code)}\n"

    def _colour(self, service: str) -> str:
        next_one = NAME_COLOURS[len(self._colours) % len(NAME_COLOURS)]
        return self._colours.setdefault(service, next_one)


def merged(logs: Iterable[Iterable[Line]]) -> list[Line]:
    """All lines by their time; those of one service keep their order, whatever it is."""
    keyed: list[tuple[float, int, int, Line]] = []
    for number, lines in enumerate(logs):
        latest = 0.0
        for place, line in enumerate(lines):
            latest = max(latest, line.at or 0.0)
            keyed.append((latest, number, place, line))
    keyed.sort(key=lambda entry: entry[:3])
    return [entry[3] for entry in keyed]


def parse_level(text: str) -> int:
    """The rank of a level's name. Raises `DumbError`."""
    name = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(text.upper(), text.upper())
    if name not in _RANK:
        raise DumbError(f"'{text}' is no level: use {', '.join(LEVELS).lower()}.")
    return _RANK[name]


def _instant(stamp: str) -> float | None:
    try:
        return time.mktime(time.strptime(stamp, _STAMP))
    except (ValueError, OverflowError):
        return None
