"""What concerns this machine: `dumb up`, `down`, `supervisor`, `redis-cli`, `doctor`."""

import os
import sys
from typing import Annotated, Any, Final

import typer

from services.cli.desk import desk_of

PANEL: Final = "This machine"
FOREIGN: Final[dict[str, Any]] = {
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": False},
    "add_help_option": False,
}
"""Options behind the command are another program's to read, `--help` included."""

Arguments = Annotated[list[str] | None, typer.Argument(metavar="ARGUMENT")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (up, down):
        app.command(rich_help_panel=PANEL, **FOREIGN)(command)
    app.command(rich_help_panel=PANEL)(doctor)
    supervisor = typer.Typer(no_args_is_help=True, help="The program that runs the services.")
    supervisor.command()(upgrade)
    supervisor.callback()(_supervisor)
    app.add_typer(supervisor, name="supervisor", rich_help_panel=PANEL)
    app.command("redis-cli", rich_help_panel=PANEL, **FOREIGN)(redis)


def up(arguments: Arguments = None) -> None:
    """Start everything here; Ctrl-C stops it (dumb up --help)."""
    _become_launcher("up", arguments)


def down(arguments: Arguments = None) -> None:
    """Stop what `dumb up` started in this data directory."""
    _become_launcher("down", arguments)


def _supervisor() -> None:
    """The program that runs the services."""


def upgrade() -> None:
    """Start the supervisor anew, from the code that is here now; no service is stopped."""
    _become_launcher("upgrade", None)


def doctor(
    context: typer.Context,
    *,
    tree: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Look for problems and say what to do; exits with 1 when there are some.

    Without an API it tells what this machine alone can tell.
    """
    from services.cli.doctor.examine import examine
    from services.cli.doctor.findings import report

    desk = desk_of(context)
    raise typer.Exit(report(desk.terminal, examine(desk), tree=tree))


def redis(context: typer.Context, arguments: Arguments = None) -> None:
    """Open redis-cli on the Redis in use, with its arguments."""
    from services.cli.redis_cli import redis_cli

    redis_cli(desk_of(context).settings, arguments or [])


def _become_launcher(verb: str, arguments: list[str] | None) -> None:
    """The launcher is another program: this one becomes it."""
    argv = [sys.executable, "-m", "services.launcher", verb, *(arguments or [])]
    os.execv(sys.executable, argv)  # noqa: S606 - to become the launcher is the purpose
