"""Where output goes. Colours, widths and live tables only on a terminal; plain text in a pipe.

rich is loaded only for what a terminal shows.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Self, TextIO

from services.cli.tables import Column, Row, harmless, plain_table, rich_table
from shared.errors import DumbError


class AbortedError(DumbError):
    """Somebody said no."""

    code = "aborted"


class Terminal:
    """Standard output and error of this process. `environ` decides about colour."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.live = sys.stdout.isatty() and environ.get("TERM") != "dumb"
        """Whether lines may be changed after they were written."""
        wanted = environ.get("TERM") != "dumb" and not environ.get("NO_COLOR")
        self.colour = self.live and wanted
        self._colour_notes = sys.stderr.isatty() and wanted

    # -- tables ----------------------------------------------------------------------------

    def table(self, columns: Sequence[Column], rows: Sequence[Row]) -> None:
        """Print a table: as wide as the terminal at most; in a pipe nothing is ever cut."""
        if self.live:
            self.console().print(rich_table(columns, rows))
        else:
            print("\n".join(plain_table(columns, rows)))

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

    def note(self, sentence: str, code: str = "") -> None:
        """A remark that is no result: to standard error. `code` as for `paint`."""
        text = harmless(sentence)
        sys.stdout.flush()
        painted = f"\x1b[{code}m{text}\x1b[0m" if self._colour_notes and code else text
        print(painted, file=sys.stderr, flush=True)

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


def _next_line(file: TextIO) -> str:
    line = file.readline()
    if not line:
        raise AbortedError("The input ended before it said anything; nothing was changed.")
    return line.rstrip("\n")
