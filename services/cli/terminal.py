"""Where output goes. Colours, widths and live tables only on a terminal; plain text in a pipe.

rich is loaded only for what a terminal shows.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TextIO

from shared.errors import DumbError

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


class AbortedError(DumbError):
    """Somebody said no."""

    code = "aborted"


class Terminal:
    """Standard output and error of this process. `environ` decides about colour."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.live = sys.stdout.isatty() and environ.get("TERM") != "dumb"
        """Whether lines may be changed after they were written."""
        self.colour = self.live and not environ.get("NO_COLOR")

    # -- tables ----------------------------------------------------------------------------

    def table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Print a table: as wide as the terminal at most; in a pipe nothing is ever cut."""
        if self.live:
            self.console().print(rich_table(columns, rows))
            return
        texts = [[column.title for column in columns], *([cell_text(c) for c in r] for r in rows)]
        widths = [max(len(row[n]) for row in texts) for n in range(len(columns))]
        for row in texts:
            cells = [
                text.rjust(width) if column.right else text.ljust(width)
                for text, width, column in zip(row, widths, columns, strict=True)
            ]
            print(PLAIN_GAP.join(cells).rstrip())

    def console(self) -> Any:
        """rich's console on standard output."""
        from rich.console import Console

        return Console(no_color=not self.colour, highlight=False, emoji=False, markup=False)

    def progress(self) -> "Progress":
        """A context in which rows may be shown that change; nothing in a pipe."""
        return Progress(self)

    # -- lines -----------------------------------------------------------------------------

    def paint(self, text: str, code: str) -> str:
        """`text` in a colour: the parameters of an ANSI sequence, such as `1;31`."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def note(self, sentence: str) -> None:
        """A remark that is no result: to standard error."""
        sys.stdout.flush()
        print(sentence, file=sys.stderr, flush=True)

    # -- questions -------------------------------------------------------------------------

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be undone. Raises `AbortedError`."""
        if not sys.stdin.isatty():
            raise AbortedError(f"{question} Nobody can answer here: say --yes.")
        if not self.agrees(f"{question} [y/N] ", default=False):
            raise AbortedError("Nothing was changed.")

    def agrees(self, question: str, *, default: bool) -> bool:
        """What somebody at the keyboard says; `default` for the Enter key alone."""
        self._ask_for(question)
        said = sys.stdin.readline().strip().lower()
        return said in {"y", "yes"} if said else default

    def line(self, prompt: str) -> str:
        """One line of the input; the prompt is shown on a terminal only."""
        if sys.stdin.isatty():
            self._ask_for(prompt)
        return _next_line(sys.stdin)

    def password(self, prompt: str, *, twice: bool = False) -> str:
        """From a terminal without showing it; else the next line of the input."""
        if not sys.stdin.isatty():
            return _next_line(sys.stdin)
        import getpass

        password = getpass.getpass(f"{prompt}: ")
        if twice and getpass.getpass("The same again: ") != password:
            raise AbortedError("These are two different passwords; nothing was changed.")
        return password

    def _ask_for(self, prompt: str) -> None:
        print(prompt, end="", file=sys.stderr, flush=True)


class Progress:
    """Rows that say what goes on, below what is printed meanwhile; gone at the end."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._live: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.update("", refresh=True)
            self._live.stop()

    def show(self, rows: Mapping[str, str]) -> None:
        """`rows`: what is done now, by name."""
        if not self._terminal.live:
            return
        if self._live is None:
            from rich.live import Live

            console = self._terminal.console()
            self._live = Live(console=console, transient=True, auto_refresh=False)
            self._live.start()
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2, 0, 0))
        for name, doing in rows.items():
            table.add_row(Text(harmless(name)), Text(harmless(doing), style="dim"))
        self._live.update(table, refresh=True)


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


def cell_text(cell: Cell | str) -> str:
    """What a pipe gets of a cell: one line."""
    return " ".join((cell.text if isinstance(cell, Cell) else cell).split())


def harmless(text: str) -> str:
    """`text` for a terminal: what would control it is shown instead."""
    return _CONTROL.sub(lambda hit: repr(hit[0])[1:-1], text)


def _next_line(file: TextIO) -> str:
    line = file.readline()
    if not line:
        raise AbortedError("The input ended before it said anything; nothing was changed.")
    return line.rstrip("\n")
