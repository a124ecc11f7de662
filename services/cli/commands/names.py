"""Names that the shell can complete."""

from collections.abc import Iterator

import typer

from services.cli.desk import Desk
from services.cli.roster import read_roster
from shared.errors import DumbError


def service_names(context: typer.Context, incomplete: str) -> Iterator[str]:
    """Process names that begin so; none when the API cannot be asked."""
    desk = context.find_object(Desk)
    if desk is None:
        return
    typed = incomplete.lstrip("\"'").lower()
    given = set(context.params.get("names") or ())
    try:
        states = read_roster(desk.client)
    except DumbError:
        return
    for state in states:
        name = state.process_name
        if name.lower().startswith(typed) and name not in given:
            yield name
