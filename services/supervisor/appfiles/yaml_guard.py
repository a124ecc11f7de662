"""Looks through a YAML text before anything is built from it.

Events cost memory for one node at a time, so what would not fit, or would call constructors, is
refused here: foreign tags, aliases that multiply, nesting, too many nodes for the slow parser.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from services.supervisor.appfiles.errors import AppFileError, bad_content
from services.supervisor.appfiles.trees import MAX_DEPTH

MAX_NODES: Final = 20_000
"""Keys and values, with every alias counted as what it stands for."""

_KNOWN_TAGS: Final = {
    f"{prefix}{name}"
    for prefix in ("!!", "tag:yaml.org,2002:")
    for name in ("str", "int", "float", "bool", "null", "map", "seq")
}


@dataclass(slots=True)
class Look:
    """How the text is written. `mapping`, `sequence` and `offset` as in `YAML.indent`."""

    explicit_start: bool = False
    mapping: int = 0
    sequence: int = 0
    offset: int = -1


@dataclass(slots=True)
class _Open:
    """A collection that was not closed yet."""

    is_map: bool
    flow: bool
    anchor: str | None
    size: int = 1
    column: int = -1
    """Of its keys or dashes, once the first one was seen."""


@dataclass(slots=True)
class _Walk:
    look: Look = field(default_factory=Look)
    stack: list[_Open] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    documents: int = 0


def inspect(text: str) -> Look:
    """What `text` looks like, when it is safe to load.

    Raises:
        AppFileError: it is not YAML, or not of the kind that is read here.
    """
    walk = _Walk()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            _see(walk, event)
    except YAMLError as error:
        raise yaml_fault(error) from None
    except (ValueError, RecursionError, IndexError, KeyError) as error:
        raise bad_content(f"This is not valid YAML ({type(error).__name__}).") from None
    return walk.look


def yaml_fault(error: YAMLError) -> AppFileError:
    """Where it is wrong. The library's own sentences quote values, so they stay here."""
    mark: Any = getattr(error, "problem_mark", None) if isinstance(error, MarkedYAMLError) else None
    if mark is None:
        return bad_content("This is not valid YAML.")
    return bad_content(f"This is not valid YAML (column {mark.column + 1}).", mark.line + 1)


def _see(walk: _Walk, event: Any) -> None:
    if isinstance(event, DocumentStartEvent):
        walk.documents += 1
        walk.look.explicit_start = bool(event.explicit)
        if walk.documents > 1:
            raise bad_content("There is more than one YAML document.", _line(event))
    elif isinstance(event, AliasEvent):
        _add(walk, _size_of_alias(walk, event), event)
    elif isinstance(event, ScalarEvent):
        _check_tag(event)
        _measure(walk, event)
        if event.anchor is not None:
            walk.sizes[event.anchor] = 1
        _add(walk, 1, event)
    elif isinstance(event, MappingStartEvent | SequenceStartEvent):
        _check_tag(event)
        _open(walk, event)
    elif walk.stack and type(event).__name__ in {"MappingEndEvent", "SequenceEndEvent"}:
        done = walk.stack.pop()
        if done.anchor is not None:
            walk.sizes[done.anchor] = done.size
        _add(walk, done.size, event)


def _open(walk: _Walk, event: Any) -> None:
    _measure(walk, event)
    is_map = isinstance(event, MappingStartEvent)
    if event.anchor is not None:
        walk.sizes.pop(event.anchor, None)  # an alias to it from inside would have no end
    walk.stack.append(_Open(is_map, bool(event.flow_style), event.anchor))
    if len(walk.stack) > MAX_DEPTH:
        raise bad_content(f"It is nested more than {MAX_DEPTH} levels deep.", _line(event))


def _measure(walk: _Walk, event: Any) -> None:
    """Learn the indentation from the first thing in each block collection below a mapping."""
    this = walk.stack[-1] if walk.stack else None
    if this is None or this.flow or this.column >= 0:
        return
    this.column = max(event.start_mark.column - (0 if this.is_map else 2), 0)
    parent = walk.stack[-2] if len(walk.stack) > 1 else None
    if parent is None or parent.flow or not parent.is_map:
        return
    look, indent = walk.look, max(this.column - parent.column, 0)
    if this.is_map:
        look.mapping = look.mapping or indent
    elif look.offset < 0:
        look.offset, look.sequence = indent, indent + 2


def _add(walk: _Walk, size: int, event: Any) -> None:
    if not walk.stack:
        return
    parent = walk.stack[-1]
    parent.size += size
    if sum(level.size for level in walk.stack) > MAX_NODES:
        raise bad_content(
            f"It has more than {MAX_NODES} keys and values (an alias counts as its target).",
            _line(event),
        )


def _size_of_alias(walk: _Walk, event: AliasEvent) -> int:
    size = walk.sizes.get(str(event.anchor))
    if size is None:
        raise bad_content("An alias stands for nothing before it.", _line(event))
    return size


def _check_tag(event: NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    if tag is not None and str(tag) not in _KNOWN_TAGS and str(tag) != "!":
        raise bad_content("Tags other than those of JSON's types are not read here.", _line(event))


def _line(event: Any) -> int | None:
    mark = getattr(event, "start_mark", None)
    return None if mark is None else int(mark.line) + 1
