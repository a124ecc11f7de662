"""Comparing and checking parsed trees. Pure."""

from typing import Any, Final

from services.supervisor.appfiles.errors import AppFileError, bad_content, bad_update

MAX_DEPTH: Final = 64
"""Of objects and lists within each other, in files and in updates."""


def same(one: Any, other: Any) -> bool:
    """Whether two trees say the same: true is not 1, but 1 is 1.0, as in a browser."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same(a, b) for a, b in zip(one, other, strict=True))
        )
    if isinstance(one, int | float):
        return isinstance(other, int | float) and one == other
    return type(one) is type(other) and bool(one == other)


def too_deep(tree: Any) -> bool:
    """Whether `tree` is nested more than `MAX_DEPTH` levels. Does not recurse itself."""
    level = _collections([tree])
    for _ in range(MAX_DEPTH):
        level = _collections([child for item in level for child in _children(item)])
    return bool(level)


def _collections(items: list[Any]) -> list[Any]:
    return [item for item in items if isinstance(item, dict | list)]


def _children(item: Any) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else list(item)


def checked_depth(tree: Any) -> Any:
    """`tree`, unless it is nested too deeply. Raises `AppFileError`."""
    if too_deep(tree):
        raise bad_content(f"It is nested more than {MAX_DEPTH} levels deep.")
    return tree


def require(parsed: Any, wanted: Any) -> None:
    """What was written must read back as what was asked for.

    Raises:
        AppFileError: it does not: the format has no way to say it.
    """
    if not same(parsed, wanted):
        raise refusal()


def refusal() -> AppFileError:
    """An update that the format cannot express."""
    return bad_update(
        "This update cannot be written in the file's format: a name or a value in it would read "
        "back as something else."
    )


def as_text(value: Any) -> str | None:
    """A scalar in a format that knows only text: `true`, `8080`; None stays None.

    Raises:
        AppFileError: a list or an object.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise bad_update("A value of this format is text, a number or true/false, not a list.")
