"""What a form does to a block: Ajv's `useDefaults`, on a copy."""

import copy
from typing import Any


def filled(value: Any, schema: dict[str, Any]) -> Any:
    """`value` with every `default` of the schema where a key is absent, as Ajv fills it in."""
    value = copy.deepcopy(value)
    _fill(value, schema)
    return value


def _fill(value: Any, schema: dict[str, Any]) -> None:
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key, rules in known.items():
            if key not in value and "default" in rules:
                value[key] = copy.deepcopy(rules["default"])
        others = schema.get("additionalProperties")
        for key, item in value.items():
            _fill(item, known.get(key) or (others if isinstance(others, dict) else {}))
    elif isinstance(value, list):
        for item in value:
            _fill(item, schema.get("items", {}))
