"""What is in force although nothing in the file says so: the defaults of absent keys. Pure.

A frontend fills its forms with them and posts the whole form. Such a value is no change: it adds
no key to the file, no version, and no restart. Null counts as missing, as everywhere.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from shared.config.form import Schema
from shared.config.schema import config_rules, service_rules
from shared.config.trees import MISSING, same

_NAMED: Final = re.compile(rb"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NOTHING: Final[Schema] = {}
POSTGRES: Final = "postgres"
"""The service whose fields others may name: `{postgres_port}`."""


def named_fields(tree: Any) -> frozenset[str]:
    """Fields that a placeholder names. One that is absent stays unfilled: its default is not in
    force there, and to write it is a change."""
    return frozenset(name.decode() for name in _NAMED.findall(orjson.dumps(tree)))


def explicit(block: Mapping[str, Any], config_key: str) -> dict[str, Any]:
    """The part of a service block that does not hold anyway."""
    rules, named = service_rules(config_key)["properties"], named_fields(block)
    return {
        key: value
        for key, value in block.items()
        if not _anyway(value, rules.get(key, _NOTHING), key in named)
    }


def field_update(
    posted: Any, current: Any, config_key: str, key: str, named: frozenset[str]
) -> Any:
    """What a posted value of a service's field changes: see `_update`.

    Args:
        named: of the service, from `named_in_service`.
    """
    rules = service_rules(config_key)["properties"].get(key, _NOTHING)
    return _update(posted, current, rules, key, named)


def named_in_service(block: Mapping[str, Any], config_key: str, tree: Any) -> frozenset[str]:
    """Fields of a block that it names itself, and those of PostgreSQL that others name."""
    return named_fields(block) | _of_postgres(config_key, tree)


def document_update(posted: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """What posted parts of the document change: see `_update`."""
    rules, named = config_rules()["properties"], named_fields(current)
    found = {}
    for key, value in posted.items():
        there = current.get(key, MISSING)
        known = rules.get(key) or (service_rules(key) if _is_service(there) else _NOTHING)
        below = named if not isinstance(there, dict) else _of_postgres(key, current)
        found[key] = _update(value, there, known, key, below)
    return {key: value for key, value in found.items() if value is not MISSING}


def _of_postgres(config_key: str, tree: Any) -> frozenset[str]:
    if config_key != POSTGRES:
        return frozenset()
    prefix = f"{POSTGRES}_"
    return frozenset(n.removeprefix(prefix) for n in named_fields(tree) if n.startswith(prefix))


def _update(posted: Any, current: Any, rules: Schema, key: str, named: frozenset[str]) -> Any:
    """`posted` without the defaults that it adds to `current`; `MISSING` when nothing is left.

    What stands in `current` is compared with nothing but itself: to write its default there is a
    change. Only where it stands as null, which is missing, the default changes nothing.
    """
    if current is MISSING or current is None:
        return current if _anyway(posted, rules, key in named) else posted
    if isinstance(posted, dict) and isinstance(current, dict):
        return _object(posted, current, rules, named)
    if isinstance(posted, list) and isinstance(current, list):
        items = rules.get("items", _NOTHING)
        return [_item(item, at, current, items, named) for at, item in enumerate(posted)]
    return posted


def _item(item: Any, at: int, current: list[Any], rules: Schema, named: frozenset[str]) -> Any:
    known = current[at] if at < len(current) else MISSING
    if not (isinstance(item, dict) and isinstance(known, dict)):
        return item
    if any(same(item, one) for one in current):  # it only moved
        return item
    return _object(item, known, rules, named)


def _object(
    posted: Mapping[str, Any], current: Mapping[str, Any], rules: Schema, named: frozenset[str]
) -> dict[str, Any]:
    if _is_service(current):
        named |= named_fields(current)
    properties = rules.get("properties", _NOTHING)
    others = rules.get("additionalProperties", _NOTHING)
    found = {
        key: _update(value, current.get(key, MISSING), properties.get(key, others), key, named)
        for key, value in posted.items()
    }
    return {key: value for key, value in found.items() if value is not MISSING}


def _anyway(value: Any, rules: Schema, named: bool) -> bool:
    """Whether a value is in force while its key is absent."""
    if not rules or named:
        return False
    if value is None:
        return "title" in rules and rules.get("type") != "object"
    if "default" in rules and same(value, rules["default"]):
        return True
    properties = rules.get("properties")
    if not isinstance(value, dict) or not value or not properties or _is_service(value):
        return False
    return all(_anyway(item, properties.get(key, _NOTHING), False) for key, item in value.items())


def _is_service(value: Any) -> bool:
    return isinstance(value, dict) and "process_name" in value
