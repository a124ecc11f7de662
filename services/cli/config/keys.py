"""Keys and values as people type them on a command line. Pure."""

import difflib
import json
from typing import Any, Final

from shared.config.document import parse_strict
from shared.config.trees import MISSING, Path, value_at
from shared.errors import DumbError

_JSON_BEGINS: Final = ("{", "[", '"')


def locate(tree: Any, typed: str) -> Path:
    """The path that `typed` means: `a.b.c`, where a key that exists may hold dots itself.

    What does not exist yet is split at every dot.
    """
    words = typed.split(".")
    path: list[str] = []
    while words:
        count = len(words)
        if isinstance(tree, dict):
            count = next((n for n in range(count, 0, -1) if ".".join(words[:n]) in tree), 1)
        key = ".".join(words[:count])
        tree = tree.get(key, MISSING) if isinstance(tree, dict) else MISSING
        path.append(key)
        words = words[count:]
    return tuple(path)


def value_of(tree: Any, path: Path) -> Any:
    """What stands there. Raises `DumbError` with the nearest key."""
    for depth in range(len(path)):
        inner = value_at(tree, path[: depth + 1])
        if inner is MISSING:
            there = value_at(tree, path[:depth])
            known = list(there) if isinstance(there, dict) else []
            close = difflib.get_close_matches(path[depth], known, n=1)
            hint = f" Did you mean '{'.'.join((*path[:depth], close[0]))}'?" if close else ""
            raise DumbError(f"There is no key '{'.'.join(path)}'.{hint}")
    return value_at(tree, path)


def parse_value(text: str) -> Any:
    """JSON, or text that needs no quotes: `8989`, `true`, `null`, `["a"]`, `Europe/Berlin`.

    Raises:
        DumbError: it begins like JSON and is none.
    """
    try:
        return parse_strict(text)
    except ValueError as error:
        if text.lstrip().startswith(_JSON_BEGINS):
            raise DumbError(
                f"The value begins like JSON and is none ({fault(error)}). For text as it is "
                "say --text."
            ) from error
        return text


def fault(error: ValueError) -> str:
    """Where and why: `line 3, column 7: Expecting ',' delimiter`."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    return str(error)
