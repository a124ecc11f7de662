"""`dumb logs`."""

import time
from typing import Annotated

import typer

from services.cli.commands.names import service_names
from services.cli.desk import desk_of
from services.cli.loglines import Filter, parse_level
from services.cli.logs import Wanted, show_logs
from services.cli.since import parse_since

LINES = 50


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Services")(logs)


def logs(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Process names; without any, all services that are enabled or run.",
            autocompletion=service_names,
        ),
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=0, help=f"How many; {LINES}, or all with --since."),
    ] = None,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="No older ones: 10m, 2h, 14:05, YYYY-MM-DD HH:MM.")
    ] = "",
    level: Annotated[
        str, typer.Option(metavar="LEVEL", help="At least debug, info, warning, error, critical.")
    ] = "debug",
) -> None:
    """Print the last lines of logs, those of several services in order of time."""
    desk = desk_of(context)
    chosen = Filter(parse_since(since, time.time()) if since else 0.0, parse_level(level))
    if lines is None and not since:
        lines = LINES
    show_logs(desk.client, desk.terminal, Wanted(names or [], lines, chosen, follow))
