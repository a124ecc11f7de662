"""Where in a JSON text a value stands, for messages about it. Pure."""

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Final

_WORD: Final = re.compile(r"[^ \t\r\n]|$")
_DECODER: Final = json.JSONDecoder()


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """The line on which the value at `keys` begins; that of the last one that is there.

    List items go by their index. None when `text` is no JSON (any more).
    """
    at = _skip(text, 0)
    try:
        for key in keys:
            found = _inside(text, at, key)
            if found is None:
                break
            at = found
    except (ValueError, IndexError, RecursionError):
        return None
    return text.count("\n", 0, at) + 1


def _inside(text: str, at: int, wanted: str) -> int | None:
    """Where the value of `wanted` begins in the object or list that begins at `at`."""
    opened, at, number = text[at], _skip(text, at + 1), 0
    if opened not in "{[":
        return None
    while text[at] not in "}]":
        key = str(number)
        if opened == "{":
            key, at = scanstring(text, at + 1)
            at = _skip(text, _skip(text, at) + 1)
        if key == wanted:
            return at
        at = _skip(text, _DECODER.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
        number += 1
    return None


def _skip(text: str, at: int) -> int:
    found = _WORD.search(text, at)
    return found.start() if found else len(text)
