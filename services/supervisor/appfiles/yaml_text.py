"""YAML, by ruamel.yaml's round trip: comments, order, anchors and quoting survive."""

from collections.abc import Callable
from difflib import SequenceMatcher
from io import StringIO
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from services.supervisor.appfiles.errors import AppFileError, bad_content, bad_update
from services.supervisor.appfiles.text import ended, lines_of
from services.supervisor.appfiles.trees import checked_depth, refusal, require, same
from services.supervisor.appfiles.yaml_edit import change_in_place, change_keys, plain
from services.supervisor.appfiles.yaml_guard import Look, inspect, yaml_fault

_INT64: Final = 1 << 63
_FAULTS: Final = (ValueError, TypeError, KeyError, AttributeError, RecursionError, IndexError)
Change = Callable[[Any, dict[str, Any], dict[str, Any]], None]


def parse(text: str) -> Any:
    """As JSON shows it: dates and what JSON has no number for are text. Raises `AppFileError`."""
    return checked_depth(plain(_load(text, inspect(text))))


def edit(text: str, update: dict[str, Any]) -> str:
    """Put the keys of `update` in place of those of the root. Raises `AppFileError`."""
    look = inspect(text)
    current = plain(_load(text, look))
    if current is None:
        current = {}
    if not isinstance(current, dict):
        raise bad_update("The file holds no YAML mapping, so no keys of it can be changed.")
    wanted = {**current, **update}
    if same(current, wanted):
        return text
    if not current:
        return _begun(text, wanted)
    # In place first. Where an alias shares a value, that would change the other one, too: then
    # the keys of the root are replaced as wholes.
    for change in (change_in_place, change_keys):
        written = _written(text, look, change, current, wanted)
        if written is not None:
            return written
    raise refusal()


def replace(text: str, given: str) -> str:
    """YAML text is an update, too."""
    update = parse(given)
    if not isinstance(update, dict):
        raise bad_update("The text must be one YAML mapping.")
    return edit(text, update)


# -- loading ---------------------------------------------------------------------------------


def _yaml(look: Look) -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 1 << 20
    yaml.explicit_start = look.explicit_start
    offset = look.offset if look.offset >= 0 else 2
    yaml.indent(mapping=look.mapping or 2, sequence=look.sequence or offset + 2, offset=offset)
    return yaml


def _load(text: str, look: Look) -> Any:
    try:
        return _yaml(look).load(text)
    except YAMLError as error:
        raise yaml_fault(error) from None
    except _FAULTS as error:
        raise bad_content(f"This is not valid YAML ({type(error).__name__}).") from None


def _dump(tree: Any, look: Look) -> str:
    stream = StringIO()
    _yaml(look).dump(tree, stream)
    return stream.getvalue()


# -- writing ---------------------------------------------------------------------------------


def _written(
    text: str, look: Look, change: Change, current: dict[str, Any], wanted: dict[str, Any]
) -> str | None:
    """The new text, None when it would not read back as `wanted`."""
    tree = _load(text, look)
    try:
        before = _dump(tree, look)
        change(tree, current, wanted)
        after = _dump(tree, look)
    except (YAMLError, *_FAULTS):
        return None
    # What the round trip changed by itself is not wanted, unless leaving it breaks the text.
    for new in (_rebased(text, before, after), after):
        try:
            if same(parse(new), wanted):
                return new
        except AppFileError:
            continue
    return None


def _begun(text: str, wanted: dict[str, Any]) -> str:
    """The first keys of a file that holds none, behind its comments. Raises `AppFileError`."""
    kept = lines_of(text)
    ended(kept)
    if kept and not all(line.startswith(("#", "---", "\n")) for line in kept):
        kept = []  # `{}` or `null`
    try:
        new = "".join(kept) + _dump(CommentedMap(wanted), Look())
    except (YAMLError, *_FAULTS):
        raise refusal() from None
    require(parse(new), wanted)
    return new


def _rebased(text: str, before: str, after: str) -> str:
    """`after`, with every line that is as in `before` as it is in `text`."""
    own, base, new = lines_of(text), lines_of(before), lines_of(after)
    if len(own) != len(base):
        return after
    matcher = SequenceMatcher(None, base, new, autojunk=False)
    found: list[str] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        found.extend(own[i1:i2] if kind == "equal" else new[j1:j2])
    return "".join(found)
