"""`dumb tokens`, `login`, `logout`."""

from typing import Annotated

import typer

from services.cli.desk import desk_of
from shared.models.account import Role

PANEL = "Accounts"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel=PANEL)(login)
    app.command(rich_help_panel=PANEL)(logout)
    tokens = typer.Typer(no_args_is_help=True, help="API tokens, for scripts.")
    for name, command in (("list", show), ("create", create), ("delete", delete)):
        tokens.command(name)(command)
    app.add_typer(tokens, name="tokens", rich_help_panel=PANEL)


def login(
    context: typer.Context,
    *,
    user: Annotated[
        str, typer.Option("--user", "-u", metavar="NAME", help="Asked for, unless given.")
    ] = "",
) -> None:
    """Log in at this API and stay so until dumb logout."""
    from services.cli.sessions import log_in

    desk = desk_of(context)
    log_in(desk.base, desk.trust, desk.logins, desk.terminal, user)


def logout(context: typer.Context) -> None:
    """End the login at this API."""
    from services.cli.sessions import log_out

    desk = desk_of(context)
    log_out(desk.base, desk.trust, desk.logins, desk.terminal)


def show(
    context: typer.Context,
    *,
    tree: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List your API tokens; as administrator everybody's."""
    from services.cli.accounts import list_tokens

    desk = desk_of(context)
    list_tokens(desk.client, desk.terminal, tree=tree)


def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    *,
    role: Annotated[Role | None, typer.Option(help="Yours, unless given.")] = None,
    days: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, max=3650, help="It expires then.")
    ] = None,
) -> None:
    """Make an API token and print it, this once: DUMB_TOKEN=$(dumb tokens create cron)."""
    from services.cli.accounts import create_token

    desk = desk_of(context)
    create_token(desk.client, desk.terminal, name, role.value if role else None, days)


def delete(context: typer.Context, token_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """End an API token at once."""
    from services.cli.accounts import delete_token

    delete_token(desk_of(context).client, token_id)
