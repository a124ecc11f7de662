"""Every edge between services with all its reasons. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from shared.config.dependencies import Dependencies
from shared.config.links import Link, field_links, soft_links
from shared.config.services import ServiceBlock

Edges = dict[tuple[str, str], tuple[str, ...]]
"""Signals by `(what is needed, what needs it)`, process names."""


def edges_of(graph: Dependencies, services: Sequence[ServiceBlock], *, soft: bool) -> Edges:
    """All edges of a configuration. `soft`: also between those that can do without each other."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, needs in graph.needs.items():
        for need in needs:
            found[need.on, name] += need.signals
    links: Iterable[Link] = field_links(services)
    if soft:
        links = [*links, *soft_links(services)]
    for link in links:
        found[link.on, link.service].append(link.signal)
    return {edge: tuple(dict.fromkeys(signals)) for edge, signals in found.items()}


def neighbours(edges: Edges, name: str) -> tuple[list[str], list[str]]:
    """What a service needs, and what needs it, directly."""
    needs = [on for on, user in edges if user == name]
    users = [user for on, user in edges if on == name]
    return needs, users


def reach(edges: Edges, name: str) -> tuple[set[str], set[str]]:
    """The same over any number of edges."""
    down: dict[str, list[str]] = defaultdict(list)
    up: dict[str, list[str]] = defaultdict(list)
    for on, user in edges:
        down[user].append(on)
        up[on].append(user)
    return _reach(down, name), _reach(up, name)


def _reach(graph: dict[str, list[str]], name: str) -> set[str]:
    found, waiting = set[str](), [name]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found - {name}
