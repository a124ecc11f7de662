"""Before the starts of a boot: what is taken moves, in one change of the configuration."""

import logging
from collections.abc import Iterable

from services.supervisor.config_change import Proposal, RefusedError
from services.supervisor.config_desk import ConfigDesk
from services.supervisor.config_state import ConfigState
from services.supervisor.configuration import Author
from services.supervisor.ports import Move, moves, updates_of
from services.supervisor.registry import Registry
from shared.config.pages import config_of
from shared.config.trees import deep_merge, value_at

_log = logging.getLogger(__name__)

SOURCE = "ports"
"""Who makes the change, for the audit stream and the versions."""


async def move_ports(
    state: ConfigState, starting: Iterable[str], registry: Registry, desk: ConfigDesk
) -> None:
    """Return when every service that is about to be started has ports of its own, if it can.

    A change that cannot be saved is logged; the starts then say which port is taken.
    """
    names = frozenset(starting)
    holding = frozenset(registry.synthetic) | {
        unit.name
        for unit in registry.units.values()
        if unit.lifecycle.alive or unit.lifecycle.book.identity is not None
    }
    found = _moves(state, names, holding)
    if not found:
        return

    def make(now: ConfigState) -> Proposal:
        return config_of(deep_merge(now.file, updates_of(found))), now.patches

    try:
        await desk.transact(make, Author("supervisor", SOURCE))
    except RefusedError as error:
        _log.error("taken ports stay as they are: %s", error)
        return
    for move in found:
        key = move.path[-1]
        _log.warning(
            "%s of %s is %d now: %d %s", key, move.process_name, move.new, move.old, move.why
        )


def _moves(state: ConfigState, starting: frozenset[str], holding: frozenset[str]) -> list[Move]:
    """Only what the file decides: a port that the environment sets stays."""
    taking_part = [s for s in state.services if s.process_name in starting | holding]
    found = moves(taking_part, holding)
    return [move for move in found if value_at(state.file, move.path) == move.old]
