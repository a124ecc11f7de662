"""Who needs whom, and in which order to start and stop (contract lifecycle.md 7).

Edges come from `dependency_facts.py`, from `depends_on` of the service blocks, and from what they
wait for (`links.py`). Every function is linear in services and edges. The facts alone make no
cycle; **every `depends_on` that lies on a cycle is left out**, and reported, so that the order of
everything else stands. A wait that makes one is left out too: it was only guessed whom it is for.
A `depends_on` of null takes an edge away that facts or waits would make.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from shared.config.cycles import components, cycle_text, levels
from shared.config.dependency_facts import FACTS, Fact, shutdown_tier
from shared.config.links import Link, wait_links
from shared.config.names import nearest
from shared.config.pages import Config
from shared.config.services import ServiceBlock, walk_services

DEPENDS_ON: Final = "depends_on"
USER_SIGNAL: Final = "depends_on"


class Condition(StrEnum):
    """What a dependency must have reached."""

    STARTED = "started"
    READY = "ready"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class Source(StrEnum):
    """Who says so."""

    TABLE = "table"
    DEPENDS_ON = "depends_on"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Need:
    """An edge: `on` must have reached `condition`. `signals`: why, in the contract's words."""

    on: str
    condition: Condition
    source: Source
    signals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a `depends_on`; the edge at `path` is left out."""

    path: tuple[str, ...]
    process_name: str
    message: str


@dataclass(frozen=True)
class Dependencies:
    """The graph of one configuration. Keys are process names, in the order of the file."""

    needs: Mapping[str, tuple[Need, ...]]
    problems: tuple[Problem, ...]
    tiers: Mapping[str, int]
    """When each stops, where nothing else decides (`shutdown_tier`)."""

    @cached_property
    def dependents(self) -> Mapping[str, tuple[str, ...]]:
        """The edges the other way round."""
        found: dict[str, list[str]] = {name: [] for name in self.needs}
        for name, needs in self.needs.items():
            for need in needs:
                found[need.on].append(name)
        return {name: tuple(names) for name, names in found.items()}

    def needs_of(self, name: str, *, transitive: bool = False) -> list[str]:
        """What it needs, in an order in which it can be started; [] for an unknown name."""
        direct = [need.on for need in self.needs.get(name, ())]
        return self._sorted(self._reach(name, self._on)) if transitive else direct

    def dependents_of(self, name: str, *, transitive: bool = False) -> list[str]:
        """What needs it, in an order in which it can be started; [] for an unknown name."""
        direct = list(self.dependents.get(name, ()))
        return self._sorted(self._reach(name, self.dependents)) if transitive else direct

    def order(self) -> list[str]:
        """Everything, what is needed before what needs it, else as in the file."""
        return self._sorted(self.needs)

    def longest_way(self, name: str, cost: Callable[[str], float]) -> float:
        """The largest sum of `cost` over a way of needs that begins below `name`; 0 without any."""
        sums: dict[str, float] = {}
        for other in [*self.needs_of(name, transitive=True), name]:
            below = max((sums[on] for on in self.needs_of(other)), default=0.0)
            sums[other] = below + (cost(other) if other != name else 0.0)
        return sums[name]

    def waves(self, names: Iterable[str] | None = None) -> list[list[str]]:
        """`names` (all by default) in groups: each needs only what is in earlier ones.

        What is between two of the names counts even if it is not among them.
        """
        wanted = set(self.needs if names is None else names)
        groups: dict[int, list[str]] = defaultdict(list)
        for name, level in self._levels.items():
            if name in wanted:
                groups[level].append(name)
        return [groups[level] for level in sorted(groups)]

    def shutdown_waves(self, names: Iterable[str] | None = None) -> list[list[str]]:
        """`names` (all by default) in groups to be stopped one after another.

        A service stops after all that need it; among those that may stop, the lowest tier first.
        """
        wanted = set(self.needs if names is None else names)
        left = {name: len(users) for name, users in self.dependents.items()}
        free: dict[int, list[str]] = defaultdict(list)
        for name, users in left.items():
            if not users:
                free[self.tiers[name]].append(name)
        waves = []
        while free:
            tier = min(free)
            wave = free.pop(tier)
            waves.append([name for name in wave if name in wanted])
            for on in (need.on for name in wave for need in self.needs[name]):
                left[on] -= 1
                if not left[on]:
                    free[self.tiers[on]].append(on)
        return [wave for wave in waves if wave]

    @cached_property
    def _levels(self) -> Mapping[str, int]:
        return levels(self._on)

    @cached_property
    def _on(self) -> Mapping[str, tuple[str, ...]]:
        return {name: tuple(n.on for n in needs) for name, needs in self.needs.items()}

    def _sorted(self, names: Iterable[str]) -> list[str]:
        at = {name: index for index, name in enumerate(self.needs)}
        return sorted(names, key=lambda name: (self._levels[name], at[name]))

    @staticmethod
    def _reach(name: str, edges: Mapping[str, tuple[str, ...]]) -> set[str]:
        waiting, found = list(edges.get(name, ())), set[str]()
        while waiting:
            at = waiting.pop()
            if at not in found:
                found.add(at)
                waiting += edges[at]
        return found


def dependencies(root: Config) -> Dependencies:
    """The graph of a valid configuration tree, enabled services and others."""
    services = walk_services(root)
    by_name = {service.process_name: service for service in reversed(services)}
    table = {service.process_name: dict[str, Need]() for service in services}
    by_key: dict[str, list[ServiceBlock]] = defaultdict(list)
    for service in services:
        by_key[service.config_key].append(service)
    for fact in FACTS:
        _apply(fact, by_key, table)
    unwanted = {service.process_name: _unwanted(service) for service in services}
    for name, others in unwanted.items():
        for on in others & table[name].keys():
            del table[name][on]
    problems: list[Problem] = []
    wanted = {service.process_name: dict(_read(service, by_name, problems)) for service in services}
    problems += _without_cycles(table, wanted, by_name)
    merged = {name: _merged(facts, wanted[name]) for name, facts in table.items()}
    links = wait_links(services)
    _add_waits((link for link in links if link.on not in unwanted[link.service]), merged)
    needs = {name: tuple(found.values()) for name, found in merged.items()}
    tiers = {name: shutdown_tier(by_name[name].config_key) for name in needs}
    return Dependencies(needs, tuple(problems), tiers)


def _apply(
    fact: Fact, by_key: Mapping[str, list[ServiceBlock]], table: dict[str, dict[str, Need]]
) -> None:
    for on in (s for key in fact.on for s in by_key.get(key, ()) if s.enabled):
        for service in (s for key in fact.services for s in by_key.get(key, ())):
            if not fact.when(service, on):
                continue
            needs = table[service.process_name]
            known = needs.get(on.process_name)
            signals = (*(known.signals if known else ()), fact.signal)
            needs[on.process_name] = Need(on.process_name, Condition.READY, Source.TABLE, signals)


def _unwanted(service: ServiceBlock) -> frozenset[str]:
    """What a person says it can do without."""
    value: Any = service.block.get(DEPENDS_ON)
    entries = value.items() if isinstance(value, dict) else ()
    return frozenset(on for on, word in entries if word is None)


def _read(
    service: ServiceBlock, by_name: Mapping[str, ServiceBlock], problems: list[Problem]
) -> Iterable[tuple[str, Need]]:
    """The usable entries of a `depends_on`; the others become problems."""
    value: Any = service.block.get(DEPENDS_ON)
    if value is None:
        return
    at = (*service.path, DEPENDS_ON)
    if not isinstance(value, dict):
        why = "must be an object: the process name of a service, and what it must have reached"
        problems.append(Problem(at, service.process_name, why))
        return
    words = [condition.value for condition in Condition]
    for on, word in value.items():
        if on == service.process_name:
            why = "a service cannot depend on itself"
        elif on not in by_name:
            hint = None if problems else nearest(by_name, on)  # comparing names is slow
            why = f"no service is named '{on[:200]}'"
            why += f"; did you mean '{hint}'?" if hint else ""
        elif word is None:
            continue
        elif not isinstance(word, str) or word not in words:
            why = f"must be one of {', '.join(words)}, or null for no dependency"
        else:
            yield on, Need(on, Condition(word), Source.DEPENDS_ON, (USER_SIGNAL,))
            continue
        problems.append(Problem((*at, on), service.process_name, why))


def _without_cycles(
    table: Mapping[str, Mapping[str, Need]],
    wanted: dict[str, dict[str, Need]],
    by_name: Mapping[str, ServiceBlock],
) -> list[Problem]:
    """Take every `depends_on` that lies on a cycle out of `wanted`, and say which these were.

    One that repeats a fact only refines it, and stays.
    """
    edges = {name: tuple({**table[name], **wanted[name]}) for name in table}
    component = components(edges)
    found: list[Problem] = []
    texts: dict[int, str] = {}
    for name, needs in wanted.items():
        for on in needs:
            if component[on] != component[name] or on in table[name]:
                continue
            if component[name] not in texts:
                texts[component[name]] = cycle_text(edges, name, on)
            path = (*by_name[name].path, DEPENDS_ON, on)
            found.append(Problem(path, name, f"makes a cycle: {texts[component[name]]}"))
    for problem in found:
        wanted[problem.process_name].pop(problem.path[-1])
    return found


def _add_waits(links: Iterable[Link], needs: dict[str, dict[str, Need]]) -> None:
    """Add what services wait for, where that makes no cycle."""
    fresh: dict[str, dict[str, Need]] = defaultdict(dict)
    for link in links:
        known = needs[link.service].get(link.on)
        if known is not None:
            signals = (*known.signals, link.signal)
            needs[link.service][link.on] = replace(known, signals=tuple(dict.fromkeys(signals)))
        else:
            waits = fresh[link.service]
            before = waits[link.on].signals if link.on in waits else ()
            signals = (*before, link.signal)
            waits[link.on] = Need(link.on, Condition.READY, Source.WAIT, signals)
    component = components({name: (*found, *fresh[name]) for name, found in needs.items()})
    for name, waits in fresh.items():
        needs[name] |= {on: w for on, w in waits.items() if component[on] != component[name]}


def _merged(facts: Mapping[str, Need], wanted: Mapping[str, Need]) -> dict[str, Need]:
    """What a person says about an edge counts; the facts keep their signals."""
    merged = dict(facts)
    for on, need in wanted.items():
        signals = (*facts[on].signals, *need.signals) if on in facts else need.signals
        merged[on] = Need(on, need.condition, need.source, signals)
    return merged
