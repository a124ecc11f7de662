"""`dumb top`."""

from enum import StrEnum
from typing import Annotated

import typer

from services.cli.desk import desk_of


class Order(StrEnum):
    """What comes first."""

    CPU = "cpu"
    MEMORY = "memory"
    NAME = "name"


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(rich_help_panel="Services")(top)


def top(
    context: typer.Context,
    *,
    order: Annotated[Order, typer.Option("--sort", help="What comes first.")] = Order.CPU,
    once: Annotated[bool, typer.Option("--once", help="Print one sample and end.")] = False,
    tree: Annotated[bool, typer.Option("--json", help="One sample, as JSON.")] = False,
    interval: Annotated[
        float, typer.Option(min=0.5, max=3600, help="Seconds between two looks.")
    ] = 2.0,
) -> None:
    """Show what the services use: CPU, memory, processes. Ctrl-C ends it."""
    from services.cli.top import show, watch

    desk = desk_of(context)
    if once or tree or not desk.terminal.live:
        show(desk.client, desk.terminal, order=order.value, tree=tree)
    else:
        watch(desk.client, desk.terminal, order=order.value, interval=interval)
