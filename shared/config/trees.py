"""Configuration trees are never changed in place: these make changed copies and compare them."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

Path = tuple[str, ...]


class _Missing:
    """Stands for a key that is not there; null is a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


def same(one: Any, other: Any) -> bool:
    """Equality of JSON: the order of keys does not count, and `true` is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def value_at(tree: Any, path: Path) -> Any:
    """What stands there, or `MISSING`."""
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return MISSING
        tree = tree[key]
    return tree


def with_value(tree: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with `value` at `path` (`MISSING` removes it); objects on the way are made."""
    key, rest = path[0], path[1:]
    copy = dict(tree)
    if rest:
        inner = copy.get(key)
        copy[key] = with_value(inner if isinstance(inner, dict) else {}, rest, value)
    elif value is MISSING:
        copy.pop(key, None)
    else:
        copy[key] = value
    return copy


def deep_merge(tree: Any, updates: Any) -> Any:
    """Objects are merged, everything else is replaced (contract rest.md 4.2, global update)."""
    if not isinstance(tree, dict) or not isinstance(updates, dict):
        return updates
    merged = dict(tree)
    for key, value in updates.items():
        merged[key] = deep_merge(tree[key], value) if key in tree else value
    return merged


def too_deep(tree: Any, limit: int) -> bool:
    """Whether objects and lists are nested deeper than `limit`. Without recursion."""
    level = [tree] if isinstance(tree, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > limit:
            return True
        inner: list[Any] = []
        for item in level:
            inner += item.values() if isinstance(item, dict) else item
        level = [item for item in inner if isinstance(item, dict | list)]
    return False


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Path, old and new value of everything that differs; lists are one value."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in (*before, *(key for key in after if key not in before)):
            yield from differences(before.get(key, MISSING), after.get(key, MISSING), (*path, key))
    elif before is MISSING or after is MISSING or not same(before, after):
        yield path, before, after


def etag_of(block: Any) -> str:
    """The hash of a block as it stands in an `ETag`, without quotes."""
    data = orjson.dumps(block, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(data).hexdigest()[:32]
