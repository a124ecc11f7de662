"""`dumb users`."""

from typing import Annotated

import typer

from services.cli.desk import desk_of


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    users = typer.Typer(no_args_is_help=True, help="Accounts.")
    users.command()(reset)
    app.add_typer(users, name="users", rich_help_panel="Accounts")


def reset(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The exact username.")],
    *,
    bcrypt: Annotated[
        bool, typer.Option("--bcrypt", help="In a form that the original can read.")
    ] = False,
    enable: Annotated[bool, typer.Option("--enable", help="Let a disabled user in again.")] = False,
) -> None:
    """Store a new password while no supervisor runs; ends the user's logins.

    For somebody who is locked out. With everything running use `dumb users passwd`.
    """
    from services.cli.users import reset as store

    store(desk_of(context).settings, name, use_bcrypt=bcrypt, enable=enable)
