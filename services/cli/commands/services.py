"""`dumb status`, `start`, `stop`, `restart`."""

from typing import Annotated

import typer

from services.cli.act import Order, carry_out
from services.cli.commands.names import service_names
from services.cli.desk import desk_of
from services.cli.status import show, watch

PANEL = "Services"

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Process names; case and spaces do not matter.",
        autocompletion=service_names,
    ),
]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Tell the outcome, or only that it was asked for."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (status, start, stop, restart):
        app.command(rich_help_panel=PANEL, no_args_is_help=command is not status)(command)


def status(
    context: typer.Context,
    names: Names = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Also those that are not enabled.")
    ] = False,
    tree: Annotated[bool, typer.Option("--json", help="All that is known, as JSON.")] = False,
    again: Annotated[bool, typer.Option("--watch", "-w", help="Go on until Ctrl-C.")] = False,
    interval: Annotated[
        float, typer.Option(min=0.2, max=3600, help="Seconds between two looks.")
    ] = 1.0,
) -> None:
    """Show services: those that are enabled, run, or ought to."""
    desk = desk_of(context)
    if again:
        watch(desk.client, desk.terminal, names or [], every=every, tree=tree, interval=interval)
    else:
        show(desk.client, desk.terminal, names or [], every=every, tree=tree)


def start(
    context: typer.Context,
    names: Names = None,
    *,
    every: Annotated[bool, typer.Option("--all", "-a", help="All enabled services.")] = False,
    wait: Wait = True,
) -> None:
    """Start services and tell the outcome."""
    _act(context, "start", names, every=every, wait=wait)


def stop(
    context: typer.Context,
    names: Names = None,
    *,
    every: Annotated[bool, typer.Option("--all", "-a", help="All that run.")] = False,
    wait: Wait = True,
) -> None:
    """Stop services and tell the outcome."""
    _act(context, "stop", names, every=every, wait=wait)


def restart(
    context: typer.Context,
    names: Names = None,
    *,
    every: Annotated[bool, typer.Option("--all", "-a", help="All that run.")] = False,
    wait: Wait = True,
) -> None:
    """Restart services and tell the outcome."""
    _act(context, "restart", names, every=every, wait=wait)


def _act(
    context: typer.Context, verb: str, names: list[str] | None, *, every: bool, wait: bool
) -> None:
    if bool(names) == every:
        raise typer.BadParameter("Say which services, or --all.", param_hint="NAME")
    desk = desk_of(context)
    raise typer.Exit(carry_out(desk.client, desk.terminal, Order(verb, names or (), wait)))
