"""`dumb logs`."""

from typing import Annotated

import typer

from services.cli.desk import desk_of
from services.cli.logs import show_logs


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Services")(logs)


def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its process_name.")],
    *,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
) -> None:
    """Print the last lines of a service's log."""
    show_logs(desk_of(context).client, name, lines=lines, follow=follow)
