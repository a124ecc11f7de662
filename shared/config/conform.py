"""Whether a value fits its schema: what forms are told and what is enforced is one table. Pure.

Knows the part of JSON Schema that form.py and schema.py use.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

Misfit = tuple[tuple[str, ...], str]
"""Where, and what is wrong there."""

_WORDS: Final = {
    "object": "an object",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}


def misfits(value: Any, schema: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Misfit]:
    """What in `value` does not fit, in its order. Unknown keys fit.

    Null counts as missing, as the original's files have it, but not where an object has to be:
    a merge would replace the whole object by it.
    """
    kinds = _kinds(schema)
    if value is None and kinds != ["object"]:
        return
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield path, f"must be {_named(kinds)}"
    elif isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for key, item in value.items():
            yield from misfits(item, known.get(key, others), (*path, key))
    elif isinstance(value, list):
        if why := _list(value, schema):
            yield path, why
        for at, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), (*path, str(at)))
    elif why := _scalar(value, schema):
        yield path, why


def _list(value: list[Any], schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if len(value) < low:
        return f"must have {low} entry or more"
    if len(value) > high:
        return f"must have {high} entries at most"
    if schema.get("uniqueItems") and any(item in value[:at] for at, item in enumerate(value)):
        return "must not have an entry twice"
    return ""


def _scalar(value: Any, schema: Mapping[str, Any]) -> str:
    if "enum" in schema and value not in schema["enum"]:
        return f"must be one of {', '.join(repr(item) for item in schema['enum'])}"
    if isinstance(value, str):
        return _text(value, schema)
    if isinstance(value, bool):
        return ""
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if low <= value <= high:
        return ""
    return f"must be {low} or more" if math.isinf(high) else f"must be from {low} to {high}"


def _text(value: str, schema: Mapping[str, Any]) -> str:
    if "type" in schema and "\0" in value:
        return "holds a NUL character"
    pattern = schema.get("pattern")
    if pattern is not None and value and re.search(pattern, value) is None:
        return f"does not look as it should ({pattern})"
    return ""


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "number":
        return isinstance(value, int | float)
    types: dict[str, type] = {"object": dict, "array": list, "string": str, "integer": int}
    return kind in types and isinstance(value, types[kind])


def _named(kinds: list[str]) -> str:
    return " or ".join(_WORDS[kind] for kind in kinds if kind in _WORDS)
