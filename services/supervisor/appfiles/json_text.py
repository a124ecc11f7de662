"""JSON: only the values that change are written, everything else keeps its spelling."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from services.supervisor.appfiles.errors import bad_content, bad_update
from services.supervisor.appfiles.trees import checked_depth, require, same
from shared.config.document import parse_strict

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODE: Final = json.JSONDecoder().raw_decode
_USUAL: Final = "    "

Patch = tuple[int, int, str]


def parse(text: str) -> Any:
    """Strict JSON. Raises `AppFileError`."""
    try:
        tree = parse_strict(text)
    except json.JSONDecodeError as error:
        raise bad_content(f"{error.msg} (column {error.colno}).", error.lineno) from None
    except RecursionError:
        raise bad_content("It is nested too deeply.") from None
    except ValueError:
        raise bad_content(
            "There is a key twice in one object, half of a surrogate pair, or a number that JSON "
            "or 64 bits cannot hold."
        ) from None
    return checked_depth(tree)


def edit(text: str, update: dict[str, Any]) -> str:
    """`text` with the keys of `update` put in place of, or behind, those of its root object.

    Raises:
        AppFileError: the text is no JSON object.
    """
    current = parse(text)
    if not isinstance(current, dict):
        raise bad_update("The file holds no JSON object, so no keys of it can be changed.")
    wanted = {**current, **update}
    if same(current, wanted):
        return text
    start = _skip(text, 0)
    patches: list[Patch] = []
    _edit_object(text, start, current, wanted, unit=_unit(text, start), patches=patches)
    for begin, end, new in sorted(patches, reverse=True):
        text = text[:begin] + new + text[end:]
    require(parse(text), wanted)
    return text


def replace(text: str, given: str) -> str:
    """JSON text is an update, too."""
    update = parse(given)
    if not isinstance(update, dict):
        raise bad_update("The text must be one JSON object.")
    return edit(text, update)


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    at: int
    value: int
    end: int


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """The members of the (valid) object at `start`, and where its brace closes."""
    found: list[_Member] = []
    at = _skip(text, start + 1)
    while text[at] != "}":
        if text[at] == ",":
            at = _skip(text, at + 1)
        key, after = _DECODE(text, at)
        value = _skip(text, _skip(text, after) + 1)
        _, end = _DECODE(text, value)
        found.append(_Member(key, at, value, end))
        at = _skip(text, end)
    return found, at


def _unit(text: str, start: int) -> str:
    """What one level is indented by; "" when the object stands on one line."""
    members, close = _members(text, start)
    if not members:
        return _USUAL
    pad = _pad(text, members[0].at)
    return "" if pad is None and "\n" not in text[start:close] else pad or ""


def _pad(text: str, at: int) -> str | None:
    """The white space before `at` on its line, None when something else stands there."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if not before.strip() and "\n" in text[:at] else None


def _edit_object(
    text: str,
    start: int,
    old: dict[str, Any],
    new: dict[str, Any],
    *,
    unit: str,
    patches: list[Patch],
) -> None:
    """Collect what to change in the object at `start`; every key of `old` is in `new`."""
    members, close = _members(text, start)
    pad = _pad(text, members[0].at) if members else None
    for member in members:
        was, becomes = old[member.key], new[member.key]
        if same(was, becomes):
            continue
        if isinstance(was, dict) and isinstance(becomes, dict) and was.keys() <= becomes.keys():
            _edit_object(text, member.value, was, becomes, unit=unit, patches=patches)
        else:
            patches.append((member.value, member.end, _dump(becomes, unit, pad)))
    added = {key: value for key, value in new.items() if key not in old}
    if not added:
        return
    if not members:
        outer = _line_pad(text, start)
        patches.append((start, close + 1, _dump(new, unit or _USUAL, outer)))
        return
    gap = f",\n{pad}" if pad is not None else ", "
    rows = (f"{json.dumps(k, ensure_ascii=False)}: {_dump(v, unit, pad)}" for k, v in added.items())
    patches.append((members[-1].end, members[-1].end, "".join(gap + row for row in rows)))


def _line_pad(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _dump(value: Any, unit: str, pad: str | None) -> str:
    """A value as it stands behind its key on a line that is indented by `pad`."""
    if pad is None or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, indent=None if pad is None else unit)
    text = json.dumps(value, ensure_ascii=False, indent=unit or _USUAL)
    return text.replace("\n", f"\n{pad}")
