"""`GET /process/dependency-graph`: one service among those around it (contract rest.md 3.10). Pure.

Rows are about keys (all instances of Sonarr are one), nodes and edges about services.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.api.graph.edges import Edges, edges_of, neighbours, reach
from services.api.graph.signals import SIGNALS, described
from shared.config.dependencies import dependencies
from shared.config.dependency_facts import (
    CORE_DEPENDENCIES,
    CORE_MAP,
    SCOPED,
    core_dependencies,
    core_services,
)
from shared.config.labels import key_of, label_of
from shared.config.names import loose
from shared.config.pages import Config
from shared.config.services import ServiceBlock
from shared.models.service import ServiceState

SCOPES: Final = ("runtime", "all")

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """What is asked: about which service, and how much of what is around it."""

    tree: Config
    services: Sequence[ServiceBlock]
    states: Mapping[str, ServiceState]
    target: ServiceBlock
    scope: str


def find_target(services: Sequence[ServiceBlock], wanted: str) -> ServiceBlock | None:
    """By process name, spelled loosely; else by key or label, an enabled one first."""
    for service in services:
        if service.process_name == wanted:
            return service
    for service in services:
        if loose(service.process_name) == loose(wanted):
            return service
    of_key = [service for service in services if service.config_key == key_of(wanted)]
    return next((s for s in of_key if s.enabled), of_key[0] if of_key else None)


def graph_answer(question: Question) -> dict[str, Any]:
    """Everything but `processes` and `updated_at`."""
    return _Answer(question).whole()


class _Answer:
    def __init__(self, question: Question) -> None:
        self._services = {service.process_name: service for service in question.services}
        self._states = question.states
        self._target = question.target
        self._scope = question.scope
        graph, soft = dependencies(question.tree), question.scope == "all"
        self._edges: Edges = edges_of(graph, question.services, soft=soft)
        self._order = graph.order()
        self._core = question.target.config_key in CORE_DEPENDENCIES
        needs, users = neighbours(self._edges, question.target.process_name)
        self._needs = self._sorted(needs)
        self._users = self._sorted(users)

    def whole(self) -> dict[str, Any]:
        key = self._target.config_key
        below, above = reach(self._edges, self._target.process_name)
        shown = {self._target.process_name} | below | above
        before, after = self._before(below), self._keys(self._users)
        return {
            "process_name": self._target.process_name,
            "config_key": key,
            "scope": self._scope,
            "context": {
                "mode": "core" if self._core else "dependency",
                "key": key,
                "core": {"key": key, "name": label_of(key), "dependencies": self._row_keys()},
            },
            "core_services": [
                {"name": label_of(core), "key": core, "dependencies": list(row)}
                for core, row in CORE_DEPENDENCIES.items()
            ],
            "statuses": {name: self._status(name) for name in self._services},
            "startup_order": self._startup_order(before, after),
            "dependency_rows": [self._dependency(k) for k in self._row_keys()],
            "dependent_rows": [self._dependent(k) for k in after],
            "linked_outgoing_rows": [self._linked(n, (n, self._name)) for n in self._needs],
            "linked_incoming_rows": [self._linked(n, (self._name, n)) for n in self._users],
            "nodes": sorted((self._node(n) for n in shown), key=lambda node: str(node["label"])),
            "edges": [
                {"source": on, "target": user, **described(signals)}
                for (on, user), signals in self._edges.items()
                if on in shown and user in shown
            ],
            "parallel_groups": self._groups(before, after),
            "dependency_truth_table": [signal.row() for signal in SIGNALS],
        }

    @property
    def _name(self) -> str:
        return self._target.process_name

    # -- keys ------------------------------------------------------------------------------

    def _row_keys(self) -> list[str]:
        """What the target needs directly: by the table of core services, and by the edges."""
        core = core_dependencies(self._target.config_key, self._target.block)
        keys = dict.fromkeys([*core, *self._keys(self._needs)])
        return [key for key in keys if key != self._target.config_key]

    def _before(self, below: Iterable[str]) -> list[str]:
        """What the target needs over any number of steps, in the order of starting."""
        keys = dict.fromkeys([*self._keys(self._sorted(below)), *self._row_keys()])
        return [key for key in keys if key != self._target.config_key]

    def _keys(self, names: Iterable[str]) -> list[str]:
        return list(dict.fromkeys(self._services[name].config_key for name in names))

    def _sorted(self, names: Iterable[str]) -> list[str]:
        wanted = set(names)
        return [name for name in self._order if name in wanted]

    def _of_key(self, key: str) -> list[str]:
        """The services of a key; of mounts only those that serve the target."""
        names = [n for n, service in self._services.items() if service.config_key == key]
        if key not in SCOPED or not self._core:
            return names
        mine = self._target.config_key
        return [n for n in names if mine in core_services(self._services[n].block)]

    # -- rows ------------------------------------------------------------------------------

    def _startup_order(self, before: Sequence[str], after: Sequence[str]) -> list[Row]:
        key = self._target.config_key
        target = self._about(key, [self._name]) | described((CORE_MAP,))
        if self._core:
            return [*(self._about(k) | self._signals_to(k) for k in before), target]
        return [target, *(self._about(k) | self._signals_from(k) for k in after)]

    def _dependency(self, key: str) -> Row:
        names = self._of_key(key)
        starters = [n for n in names if self._services[n].enabled] or names
        return self._about(key, names) | {
            "process_count": len(names),
            "scoped": key in SCOPED,
            "starter_process_name": starters[0] if starters else None,
            **self._signals_to(key),
        }

    def _dependent(self, key: str) -> Row:
        names = [name for name in self._users if self._services[name].config_key == key]
        needed = self._keys(on for on, user in self._edges if user in names)
        missing = [need for need in needed if self._about(need)["state"] != "running"]
        return self._about(key, names) | {"missing_deps": missing, **self._signals_from(key)}

    def _linked(self, name: str, edge: tuple[str, str]) -> Row:
        return {
            "process_name": name,
            "key": self._services[name].config_key,
            "label": label_of(self._services[name].config_key),
            "state": self._state(name),
            **described(self._edges[edge]),
        }

    def _node(self, name: str) -> Row:
        return {
            "id": name,
            "process_name": name,
            "key": self._services[name].config_key,
            "label": name,
            "state": self._state(name),
        }

    def _groups(self, before: Sequence[str], after: Sequence[str]) -> list[Row]:
        groups = (
            ("pre_core", "Before", "parallel", list(before)),
            ("core_target", label_of(self._target.config_key), "serial", [self._target.config_key]),
            ("post_core", "After", "parallel", list(after)),
        )
        return [
            {"id": name, "label": label, "type": kind, "members": members}
            for name, label, kind, members in groups
            if members
        ]

    def _about(self, key: str, names: Sequence[str] | None = None) -> Row:
        group = self._of_key(key) if names is None else names
        return {"key": key, "label": label_of(key), "state": self._group_state(group)}

    def _signals_to(self, key: str) -> Row:
        """Why the target needs services of a key; further away, why anything on the way does."""
        names = set(self._of_key(key)) or {n for n in self._needs if self._key_is(n, key)}
        direct = [s for (on, user), s in self._edges.items() if on in names and user == self._name]
        way = direct or [s for (on, _user), s in self._edges.items() if on in names]
        return described([one for signals in way for one in signals] or [CORE_MAP])

    def _signals_from(self, key: str) -> Row:
        found = [s for (on, u), s in self._edges.items() if on == self._name]
        mine = [
            signals
            for (on, user), signals in self._edges.items()
            if on == self._name and self._key_is(user, key)
        ]
        return described(one for signals in mine or found for one in signals)

    def _key_is(self, name: str, key: str) -> bool:
        return self._services[name].config_key == key

    # -- states ----------------------------------------------------------------------------

    def _status(self, name: str) -> str:
        state = self._states.get(name)
        return "stopped" if state is None else state.rest_status

    def _state(self, name: str) -> str:
        if name not in self._states:
            return "unknown"
        return self._group_state([name])

    def _group_state(self, names: Sequence[str]) -> str:
        if not names:
            return "missing"
        if any(self._status(name) == "running" for name in names):
            return "running"
        enabled = any(self._services[name].enabled for name in names)
        return "stopped" if enabled else "disabled"
