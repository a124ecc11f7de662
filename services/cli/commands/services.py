"""`dumb status`, `start`, `stop`, `restart`."""

from typing import Annotated

import typer

from services.cli.desk import desk_of
from services.cli.services import act, show_status

PANEL = "Services"

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its process_name.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="These only.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (status, start, stop, restart):
        app.command(rich_help_panel=PANEL)(command)


def status(
    context: typer.Context,
    names: Names = None,
    *,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Disabled ones as well.")] = False,
) -> None:
    """Show services: those that are enabled or run."""
    show_status(desk_of(context).client, names or [], everything=everything)


def start(context: typer.Context, name: Name) -> None:
    """Start a service and wait for the outcome."""
    act(desk_of(context).client, "start", name)


def stop(context: typer.Context, name: Name) -> None:
    """Stop a service and wait for the outcome."""
    act(desk_of(context).client, "stop", name)


def restart(context: typer.Context, name: Name) -> None:
    """Restart a service and wait for the outcome."""
    act(desk_of(context).client, "restart", name)
