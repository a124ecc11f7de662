"""`dumb users`."""

from typing import Annotated

import typer

from services.cli.desk import desk_of
from shared.models.account import Role

Name = Annotated[str, typer.Argument(metavar="NAME", help="The exact username.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    users = typer.Typer(no_args_is_help=True, help="Accounts and their roles.")
    for name, command in (
        ("list", show), ("add", add), ("passwd", passwd), ("role", role), ("disable", disable),
        ("enable", enable), ("delete", delete), ("reset", reset),
    ):  # fmt: skip
        users.command(name)(command)
    app.add_typer(users, name="users", rich_help_panel="Accounts")


def show(
    context: typer.Context,
    *,
    tree: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List accounts."""
    from services.cli.accounts import list_users

    desk = desk_of(context)
    list_users(desk.client, desk.terminal, tree=tree)


def add(
    context: typer.Context,
    name: Name,
    *,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.ADMIN,
) -> None:
    """Add an account and ask for its password. The first one switches authentication on."""
    from services.cli.accounts import add_user

    desk = desk_of(context)
    add_user(desk.client, desk.terminal, name, role.value)


def passwd(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Yourself, unless given.")] = "",
    *,
    keep: Annotated[
        bool, typer.Option("--keep-tokens", help="API tokens stay; logins end in any case.")
    ] = False,
) -> None:
    """Change a password."""
    from services.cli.accounts import change_password

    desk = desk_of(context)
    change_password(desk.client, desk.logins, desk.terminal, name, keep_tokens=keep)


def role(
    context: typer.Context, name: Name, to: Annotated[Role, typer.Argument(metavar="ROLE")]
) -> None:
    """Give an account another role: viewer, operator or admin."""
    from services.cli.accounts import set_user

    set_user(desk_of(context).client, name, role=to.value)


def disable(context: typer.Context, name: Name) -> None:
    """Let somebody in no longer; ends their logins at once."""
    from services.cli.accounts import set_user

    set_user(desk_of(context).client, name, disabled=True)


def enable(context: typer.Context, name: Name) -> None:
    """Let somebody in again."""
    from services.cli.accounts import set_user

    set_user(desk_of(context).client, name, disabled=False)


def delete(context: typer.Context, name: Name, *, yes: Yes = False) -> None:
    """Delete an account with its logins and API tokens."""
    from services.cli.accounts import delete_user

    desk = desk_of(context)
    if not yes:
        desk.terminal.confirm(f"Delete the account '{name}'?")
    delete_user(desk.client, name)


def reset(
    context: typer.Context,
    name: Name,
    *,
    bcrypt: Annotated[
        bool, typer.Option("--bcrypt", help="In a form that the original can read.")
    ] = False,
    enable: Annotated[bool, typer.Option("--enable", help="Let a disabled user in again.")] = False,
) -> None:
    """Store a new password while no supervisor runs; ends the user's logins.

    For somebody who is locked out. With everything running use dumb users passwd.
    """
    from services.cli.reset import reset as store

    store(desk_of(context).settings, name, use_bcrypt=bcrypt, enable=enable)
