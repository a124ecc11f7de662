"""A loaded YAML tree: what it says as JSON, and how it is changed with its comments in place."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scalarstring import ScalarString
from ruamel.yaml.tokens import CommentToken

from services.supervisor.appfiles.errors import bad_content
from services.supervisor.appfiles.trees import same

_INT64: Final = 1 << 63

Place = tuple[Any, Any]
"""A collection and a key or index in it."""


def plain(node: Any) -> Any:
    """As JSON has it: dates and what JSON has no number for are text. Raises `AppFileError`."""
    if isinstance(node, dict):
        return {key_text(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    if isinstance(node, ScalarBoolean | bool):
        return bool(node)
    if isinstance(node, int):
        return int(node) if -_INT64 <= node < _INT64 else str(int(node))
    if isinstance(node, float):
        return float(node) if math.isfinite(node) else _not_finite(node)
    if isinstance(node, dt.date | dt.time):
        return node.isoformat()
    return None if node is None else str(node)


def key_text(key: Any) -> str:
    """A key as JSON has it. Raises `AppFileError`."""
    shown = plain(key)
    if isinstance(shown, str) and not isinstance(key, tuple | Mapping):
        return shown
    if isinstance(key, tuple | Mapping):
        raise bad_content("A key is a list or a mapping; JSON has no such keys.")
    if isinstance(shown, bool):
        return "true" if shown else "false"
    return "null" if shown is None else str(shown)


def _not_finite(number: float) -> str:
    return ".nan" if math.isnan(number) else ".inf" if number > 0 else "-.inf"


def change_keys(tree: Any, current: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Replace the values of the root that differ, as wholes."""
    names = {key_text(key): key for key in tree}
    for key, value in wanted.items():
        if key not in current or not same(current[key], value):
            tree[names.get(key, key)] = _fresh(value)


def change_in_place(tree: Any, current: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Make the mapping `tree`, which says `current`, say `wanted`."""
    names = {key_text(key): key for key in tree}
    for key in current:
        if key not in wanted:
            del tree[names[key]]
    for key, value in wanted.items():
        if key in current and not same(current[key], value):
            name = names[key]
            tree[name] = _changed(tree[name], current[key], value)
    added = {key: value for key, value in wanted.items() if key not in current}
    if added:
        tail = _cut_tail(tree)
        for key, value in added.items():
            tree[key] = _fresh(value)
        _put_tail(tree, tail)


def _changed(node: Any, current: Any, wanted: Any) -> Any:
    """What to put in place of `node`: itself, changed, where it is a collection.

    One with an anchor may stand elsewhere, too, and is left as it is.
    """
    if getattr(getattr(node, "anchor", None), "value", None) is not None:
        return _fresh(wanted)
    if isinstance(current, dict) and isinstance(wanted, dict):
        change_in_place(node, current, wanted)
        return node
    if isinstance(current, list) and isinstance(wanted, list):
        for at, value in enumerate(wanted[: len(current)]):
            if not same(current[at], value):
                node[at] = _changed(node[at], current[at], value)
        tail = _cut_tail(node) if len(wanted) != len(current) and wanted else None
        del node[len(wanted) :]
        node.extend(_fresh(value) for value in wanted[len(current) :])
        _put_tail(node, tail)
        return node
    if isinstance(node, ScalarString) and isinstance(wanted, str):
        return type(node)(wanted)
    return _fresh(wanted)


def _fresh(value: Any) -> Any:
    """A new value in the library's own types, which can carry comments."""
    if isinstance(value, dict):
        return CommentedMap((key, _fresh(item)) for key, item in value.items())
    if isinstance(value, list):
        return CommentedSeq(_fresh(item) for item in value)
    return value


# The library keeps the lines between two keys with the value before them. What is put behind that
# value must not come behind those lines: they are about what follows.


def _last(node: Any) -> Place | None:
    """Where the last scalar of a block collection stands."""
    if not isinstance(node, CommentedMap | CommentedSeq) or not node or node.fa.flow_style():
        return None
    key = next(reversed(node)) if isinstance(node, CommentedMap) else len(node) - 1
    return _last(node[key]) or (node, key)


def _slot(place: Place) -> int:
    return 2 if isinstance(place[0], CommentedMap) else 0


def _cut_tail(node: Any) -> str | None:
    """Take away the lines behind the last scalar; its own comment stays."""
    place = _last(node)
    if place is None:
        return None
    comments = place[0].ca.items.get(place[1])
    token = comments[_slot(place)] if comments else None
    if not isinstance(token, CommentToken) or "\n" not in token.value:
        return None
    own, _, tail = token.value.partition("\n")
    if not tail:
        return None
    if own:
        token.value = own + "\n"
    else:
        comments[_slot(place)] = None
    return str(tail)


def _put_tail(node: Any, tail: str | None) -> None:
    place = _last(node)
    if place is None or not tail:
        return
    comments = place[0].ca.items.setdefault(place[1], [None, None, None, None])
    token = comments[_slot(place)]
    if isinstance(token, CommentToken):
        token.value = token.value.rstrip("\n") + "\n" + tail
    else:
        comments[_slot(place)] = CommentToken("\n" + tail, CommentMark(0), None)
