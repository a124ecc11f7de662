"""`dumb commands` and `dumb audit`."""

from typing import Annotated

import typer

from services.cli.commands.names import service_names
from services.cli.desk import desk_of

PANEL = "Services"
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="As dumb commands list shows it.")]
Limit = Annotated[int, typer.Option("--lines", "-n", min=1, max=500, help="How many.")]
Tree = Annotated[bool, typer.Option("--json", help="As JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    commands = typer.Typer(no_args_is_help=True, help="What was asked, and what became of it.")
    commands.command("list")(show_all)
    commands.command("show")(show)
    commands.command()(cancel)
    app.add_typer(commands, name="commands", rich_help_panel=PANEL)
    app.command(rich_help_panel=PANEL)(audit)


def show_all(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Of this service only.", autocompletion=service_names),
    ] = "",
    *,
    limit: Limit = 20,
    tree: Tree = False,
) -> None:
    """List the commands of the last 24 hours, the newest first."""
    from services.cli.receipts import list_commands

    desk = desk_of(context)
    list_commands(desk.client, desk.terminal, name, limit=limit, tree=tree)


def show(context: typer.Context, ids: Ids, *, tree: Tree = False) -> None:
    """Print each step of commands with its time, and the outcome."""
    from services.cli.receipts import show_command

    desk = desk_of(context)
    for command_id in ids:
        show_command(desk.client, desk.terminal, command_id, tree=tree)


def cancel(context: typer.Context, ids: Ids) -> None:
    """Take commands back that are under way; what they have begun to start is stopped."""
    from services.cli.receipts import cancel as stop

    desk = desk_of(context)
    for command_id in ids:
        stop(desk.client, command_id)


def audit(context: typer.Context, *, limit: Limit = 20, tree: Tree = False) -> None:
    """Show who did what, the newest first: commands, exits, logins, changes."""
    from services.cli.receipts import list_audit

    desk = desk_of(context)
    list_audit(desk.client, desk.terminal, limit=limit, tree=tree)
