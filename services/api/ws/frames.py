"""Log chunks as frames: rendered once per chunk, shared by all clients that want the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import orjson

from shared.logformat import display_time, parse_line
from shared.models.log import LEVELS

_RANK: Final = {name: rank for rank, name in enumerate(LEVELS)}
_MONTHS: Final = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Display lines, one frame each. `size` in bytes, about."""

    lines: Sequence[str]
    size: int

    @property
    def count(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class JsonBatch:
    """One JSON frame but for its head, which differs from client to client."""

    body: str
    count: int
    size: int
    reset: bool = False

    def frame(self, dropped: int) -> str:
        """The whole frame; `dropped` lines were lost on this connection since the last one."""
        reset = '"reset":true,' if self.reset else ""
        return f'{{"type":"lines",{reset}"dropped":{dropped},{self.body}'


Batch = TextBatch | JsonBatch


def iso_time(stamp: str) -> str | None:
    """`Nov  3, 2026 22:20:38`, local time, as `2026-11-03T22:20:38+01:00`; None if it is none."""
    hour = _iso_hour(stamp[:15])
    return None if hour is None else f"{hour[0]}{stamp[15:]}{hour[1]}"


@lru_cache(maxsize=64)
def _iso_hour(stamp: str) -> tuple[str, str] | None:
    """Date and hour in ISO 8601, and the offset from UTC that this machine had then.

    An offset changes at whole hours, and a log has few of them: the cache makes it cheap.
    """
    month = _MONTHS.get(stamp[:3])
    if month is None:
        return None
    text = f"{stamp[8:12]}-{month}-{stamp[4:6].replace(' ', '0')}T{stamp[13:]}"
    try:
        offset = datetime.fromisoformat(f"{text}:00").astimezone().strftime("%z")
    except (ValueError, OverflowError):
        return None
    return text, f"{offset[:3]}:{offset[3:5]}"


class Rendered:
    """Lines of one log in each form that some client wants, made when first asked for."""

    def __init__(
        self, process_name: str, generation: str, end: int, data: bytes, *, reset: bool = False
    ) -> None:
        self._process_name = process_name
        self._generation = generation
        self._end = end
        self._data = data
        self._reset = reset
        self._texts: dict[int, TextBatch] = {}
        self._jsons: dict[int, JsonBatch] = {}

    def batch(self, level: int, *, json: bool) -> Batch | None:
        """The lines of at least `level` (an index into `LEVELS`). None: nothing to send."""
        batch = self.json(level) if json else self.text(level)
        return batch if batch.count or (isinstance(batch, JsonBatch) and batch.reset) else None

    def text(self, level: int) -> TextBatch:
        found = self._texts.get(level)
        if found is None:
            lines: Iterable[str] = self._lines()
            if level:
                lines = [line for line in lines if _RANK[parse_line(line)[1]] >= level]
            kept = list(lines)
            size = len(self._data) if not level else sum(map(len, kept))
            found = self._texts[level] = TextBatch(kept, size)
        return found

    def json(self, level: int) -> JsonBatch:
        found = self._jsons.get(level)
        if found is None:
            found = self._jsons[level] = self._render_json(level)
        return found

    def _lines(self) -> list[str]:
        return self._data.decode("utf-8", "replace").split("\n")[:-1]

    def _render_json(self, level: int) -> JsonBatch:
        label = f"{self._process_name} subprocess: "
        if level:
            lines = [line for line in self._lines() if _RANK[parse_line(line)[1]] >= level]
        else:
            lines = self._lines()
        head = orjson.dumps(
            {"process_name": self._process_name, "file_id": self._generation, "cursor": self._end}
        ).decode()
        body = f'{head[1:-1]},"lines":[{_json_lines(lines, label)}]}}'
        return JsonBatch(body, len(lines), len(body), self._reset)


def _json_lines(lines: list[str], label: str) -> str:
    """The entries of `lines` in a JSON frame.

    Neighbouring lines mostly have the same time, level and label. Those are escaped and split in a
    few C calls for all of them together, which is six times as fast as line by line. DEL separates
    them meanwhile, because JSON does not escape it; lines that hold one go the slow way.
    """
    if not lines:
        return ""
    joined = "\n".join(lines)
    # A head without the label would be taken for that of lines that have one.
    first = next((line for line in lines if label in line), lines[0])
    text = _entry_parts(first, label)[2]
    head = first[: len(first) - len(text)]
    if not head or "\x7f" in joined or (label in first and not head.endswith(label)):
        return ",".join(_json_entry(line, label) for line in lines)
    before = _json_before(first, label)
    out = []
    for piece in joined.replace(f"\n{head}", "\x7f").split("\n"):
        odd, more, alike = piece.partition("\x7f")
        out.append(_json_entry(odd, label))
        if more:
            escaped = orjson.dumps(alike).decode()[1:]
            out.append(before + escaped.replace("\x7f", f'"}},{before}') + "}")
    return ",".join(out)


def _json_entry(line: str, label: str) -> str:
    escaped = orjson.dumps(_entry_parts(line, label)[2]).decode()[1:]
    return f"{_json_before(line, label)}{escaped}}}"


def _json_before(line: str, label: str) -> str:
    """An entry up to and with the quote that opens its text."""
    stamp, level, _ = _entry_parts(line, label)
    time = orjson.dumps(iso_time(stamp)).decode()
    return f'{{"ts":{time},"level":"{level}","text":"'


def _entry_parts(line: str, label: str) -> tuple[str, str, str]:
    stamp, level, text = parse_line(line)
    return stamp, level, text.removeprefix(label)


def dropped_line(count: int, now: float) -> str:
    """The display line that tells a text client what it lost. `now` in epoch seconds."""
    stamp = display_time(now)
    return f"{stamp} - WARNING - {count} log lines were dropped: this client reads too slowly."
