"""What a file asks for and does not get: unbuilt options, and keys that nothing uses. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.config.built import SERVICE, TOP, WORKS_ANYWAY
from shared.config.catalogue import OLD_NAMES
from shared.config.names import nearest
from shared.config.pages import Config
from shared.config.schema import known_keys_at, unknown_keys
from shared.config.services import walk_services
from shared.config.trees import MISSING, value_at

_SHOWN: Final = 5
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)")

OLD_MAIN: Final = (
    "the main block of a file of DMB: rename it to 'dumb', or its options have no effect"
)
_OLD: Final = frozenset({"dmb", *OLD_NAMES})


@dataclass(frozen=True, slots=True)
class Notice:
    """One warning. `built` False: the option is known, and not built here.

    `old`: the key has another name now, and `message` says which.
    """

    path: tuple[str, ...]
    message: str
    built: bool = True
    old: bool = False

    @property
    def name(self) -> str:
        """The path with dots."""
        return ".".join(self.path)


def notices(file: Config, effective: Config | None = None) -> list[Notice]:
    """All warnings about a file.

    `effective`: the configuration in force, where it is another one: it says what is on.
    """
    unbuilt = list(_unbuilt(effective if effective is not None else file))
    told = {notice.path for notice in unbuilt}
    return [*unbuilt, *(notice for notice in _unknown(file) if notice.path not in told)]


def summary_of(found: Sequence[Notice]) -> str:
    """One line for a log, "" when there is nothing to say."""
    options = Counter(_option(n) for n in found if not n.built)
    keys = [n.name for n in found if n.built and not n.old]
    parts = [f"'{n.name}' is {n.message}" for n in found if n.old]
    if options:
        parts.append(f"options that are on and not built here: {_some(list(options))}")
    if keys:
        parts.append(f"keys that nothing uses: {_some(keys)}")
    return "; ".join(parts)


def _option(notice: Notice) -> str:
    """An option of many services is named once."""
    return notice.name if notice.name in TOP else _below_service(notice.path)


def _below_service(path: tuple[str, ...]) -> str:
    two = ".".join(path[-2:])
    return two if two in SERVICE else path[-1]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _unbuilt(tree: Config) -> Iterator[Notice]:
    for name, row in TOP.items():
        path = tuple(name.split("."))
        value = value_at(tree, path)
        if value is not MISSING and row.is_on(value):
            yield Notice(path, _not_built(row.means), built=False)
    for service in walk_services(tree):
        if not service.enabled:
            continue
        used = set(_placeholders(service.block))
        for name, row in SERVICE.items():
            path = tuple(name.split("."))
            value = value_at(service.block, path)
            ours = name == "log_level" and service.config_key in WORKS_ANYWAY
            if value is MISSING or ours or path[0] in used or not row.is_on(value):
                continue
            yield Notice((*service.path, *path), _not_built(row.means), built=False)


def _not_built(means: str) -> str:
    return f"on, and not built here: {means}"


def _unknown(file: Config) -> Iterator[Notice]:
    if isinstance(file.get("dmb"), dict):
        yield Notice(("dmb",), OLD_MAIN, old=True)
    for old, new in OLD_NAMES.items():
        if old in file:
            yield Notice((old,), f"the old name of '{new}': rename it to that", old=True)
    blocks = {service.path: service.block for service in walk_services(file)}
    everywhere = _placeholders(list(blocks.values()))
    for path in unknown_keys(file):
        if path[0] in _OLD:
            continue
        if len(path) == 1 and path[0] in everywhere:
            continue  # its value is one that any service may name
        block = blocks.get(path[:-1])
        if block is not None and path[-1] in _placeholders(block):
            continue
        near = nearest(known_keys_at(path[:-1]), path[-1])
        hint = f" Did you mean '{near}'?" if near else ""
        yield Notice(path, f"unknown key: kept, but nothing here uses it.{hint}")


def _placeholders(value: Any) -> frozenset[str]:
    """Names that texts in a block ask for; depth is limited by the parser of the file."""
    found: set[str] = set()
    open_values = [value]
    while open_values:
        item = open_values.pop()
        if isinstance(item, str):
            found.update(_PLACEHOLDER.findall(item))
        elif isinstance(item, dict):
            open_values += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            open_values += item
    return frozenset(found)
