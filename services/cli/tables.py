"""Tables: with colours and as wide as a terminal, or plain with nothing cut. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PLAIN_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Cell:
    """Text and a style of rich, such as `bold red`."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """`wrap`: long text goes on in the next line instead of being cut, which happens at `most`
    characters. `right`: numbers."""

    title: str
    wrap: bool = False
    most: int | None = None
    right: bool = False


Row = Sequence[Cell | str]


def rich_table(columns: Sequence[Column], rows: Sequence[Row]) -> Any:
    """The table for rich's console."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            column.title,
            no_wrap=not column.wrap,
            overflow="fold" if column.wrap else "ellipsis",
            max_width=column.most,
            justify="right" if column.right else "left",
        )
    for row in rows:
        cells = [cell if isinstance(cell, Cell) else Cell(cell) for cell in row]
        table.add_row(*(Text(harmless(cell.text), style=cell.style) for cell in cells))
    return table


def plain_table(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """The lines for a pipe."""
    texts = [[column.title for column in columns], *([cell_text(c) for c in r] for r in rows)]
    widths = [max(len(row[n]) for row in texts) for n in range(len(columns))]
    for row in texts:
        cells = [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(row, widths, columns, strict=True)
        ]
        yield PLAIN_GAP.join(cells).rstrip()


def cell_text(cell: Cell | str) -> str:
    """What a pipe gets of a cell: one line."""
    return " ".join((cell.text if isinstance(cell, Cell) else cell).split())


def harmless(text: str) -> str:
    """`text` for a terminal: what would control it is shown instead."""
    return _CONTROL.sub(lambda hit: repr(hit[0])[1:-1], text)
