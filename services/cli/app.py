"""The tree of commands. Signatures and help live in `commands`, one topic a file."""

import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from services.cli.commands import config, logs, machine, receipts, services, tokens, top, users
from services.cli.desk import desk_of
from services.cli.tables import harmless
from shared.errors import DumbError
from shared.exits import Exit
from shared.version import VERSION

EPILOG = (
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 69 not available now, "
    "77 not allowed, 78 a setting is wrong, 130 interrupted."
)


class Root(TyperGroup):
    """Turns errors into a sentence and an exit code, in this one place."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; everything is written when it returns."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except DumbError as error:
            with suppress(OSError):
                print(harmless(str(error)), file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError:  # `dumb logs … | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(Exit.OK) from None
        finally:
            desk_of(ctx).close()
        return result


def build() -> typer.Typer:
    """The whole command line."""
    app = typer.Typer(
        cls=Root,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=EPILOG,
    )
    app.callback()(_root)
    for part in (services, logs, top, receipts, config, tokens, users, machine):
        part.register(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"dumb {VERSION}")
        raise typer.Exit


def _root(
    context: typer.Context,
    *,
    url: Annotated[
        str, typer.Option(metavar="URL", help="The API to ask, instead of DUMB_API_URL.")
    ] = "",
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version."),
    ] = False,
) -> None:
    """Start the programs, and ask the API of those that run."""
    desk_of(context).url = url
