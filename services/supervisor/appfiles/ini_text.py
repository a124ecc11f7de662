"""INI files and rclone's: sections of `key = value`, edited line by line.

Read as Python's configparser does without interpolation: `=` or `:` separates, full-line
comments begin with `#` or `;`, indented lines continue a value. Keys twice: the last counts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from services.supervisor.appfiles.errors import bad_content, bad_update
from services.supervisor.appfiles.text import ended, ending_of, lines_of
from services.supervisor.appfiles.trees import as_text, require

_HEADER: Final = re.compile(r"\s*\[(?P<name>.+)\]")
_DELIMITER: Final = re.compile(r"[=:]\s*")

Sections = dict[str, dict[str, str | None]]
Fold = Callable[[str], str]


@dataclass(slots=True)
class _Entry:
    """One key: lines `first` up to and with `last`; `before` is what precedes its value."""

    key: str
    first: int
    last: int
    before: str | None
    parts: list[str] = field(default_factory=list)

    @property
    def value(self) -> str | None:
        return None if self.before is None else "\n".join(self.parts).rstrip()


@dataclass(slots=True)
class _Section:
    name: str
    header: int
    entries: list[_Entry] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The line behind its last entry."""
        return max([self.header, *(entry.last for entry in self.entries)]) + 1


class IniFormat:
    """`fold` is applied to keys: rclone's are lower case, others keep theirs."""

    def __init__(self, fold: Fold) -> None:
        self._fold = fold

    def parse(self, text: str) -> Sections:
        """Raises `AppFileError`: a key before the first section."""
        return _tree(self._sections(lines_of(text)))

    def edit(self, text: str, update: dict[str, Any]) -> str:
        """Sections in `update` take the place of those in `text`. Raises `AppFileError`."""
        lines = lines_of(text)
        sections = self._sections(lines)
        current = _tree(sections)
        wanted = {**current, **{name: self._section(keys) for name, keys in update.items()}}
        changes: dict[int, str] = {}
        parts: dict[str, list[_Section]] = {}
        for section in sections:
            parts.setdefault(section.name, []).append(section)
        for name, keys in wanted.items():
            if name in current and current[name] != keys:
                _edit_section(parts[name], keys, lines, changes)
        changed = [changes.get(number, line) for number, line in enumerate(lines)]
        _append(changed, {name: wanted[name] for name in wanted if name not in current}, sections)
        new_text = "".join(changed)
        require(self.parse(new_text), wanted)
        return new_text

    def replace(self, _text: str, given: str) -> str:
        """A whole new file, when it can be read. Raises `AppFileError`."""
        self.parse(given)
        return given

    def _section(self, keys: Any) -> dict[str, str | None]:
        if not isinstance(keys, dict):
            raise bad_update("A section is an object of keys and values.")
        # Lines of a value are stripped when they are read, so they are before they are compared.
        values = {self._fold(key): as_text(value) for key, value in keys.items()}
        return {k: v if v is None else _stripped(v) for k, v in values.items()}

    def _sections(self, lines: list[str]) -> list[_Section]:
        found: list[_Section] = []
        entry: _Entry | None = None
        indent = 0
        for number, line in enumerate(lines):
            text = line.strip()
            if text[:1] in {"#", ";"}:
                continue
            if not text:
                if entry is not None:
                    entry.parts.append("")
                continue
            depth = len(line) - len(line.lstrip())
            if entry is not None and depth > indent and entry.before is not None:
                entry.parts.append(text)
                entry.last = number
                continue
            indent, entry = depth, None
            header = _HEADER.match(line)
            if header is not None:
                found.append(_Section(header["name"], number))
            elif not found:
                raise bad_content("A key before the first [section].", number + 1)
            else:
                entry = self._entry(text, line, number)
                found[-1].entries.append(entry)
        return found

    def _entry(self, text: str, line: str, number: int) -> _Entry:
        content = line.rstrip("\r\n")
        delimiter = _DELIMITER.search(content)
        if delimiter is None:
            return _Entry(self._fold(text), number, number, None)
        key = content[: delimiter.start()].strip()
        if not key:
            raise bad_content("A value without a key.", number + 1)
        before, value = content[: delimiter.end()], content[delimiter.end() :].strip()
        return _Entry(self._fold(key), number, number, before, [value])


def _tree(sections: list[_Section]) -> Sections:
    tree: Sections = {}
    for section in sections:
        tree.setdefault(section.name, {}).update({e.key: e.value for e in section.entries})
    return tree


def _stripped(value: str) -> str:
    return "\n".join(line.strip() for line in value.split("\n")).rstrip()


def _edit_section(
    parts: list[_Section], keys: dict[str, str | None], lines: list[str], changes: dict[int, str]
) -> None:
    """Collect the new text of lines of one section, which may stand in several `parts`."""
    entries = [entry for part in parts for entry in part.entries]
    last = {entry.key: entry for entry in entries}
    for entry in entries:
        if entry.key in keys and (last[entry.key] is not entry or entry.value == keys[entry.key]):
            continue
        for number in range(entry.first, entry.last + 1):
            if not _is_comment(lines[number]):
                changes[number] = ""
        if entry.key in keys:
            changes[entry.first] = _line(entry, keys[entry.key], lines[entry.first])
    added = [(key, value) for key, value in keys.items() if key not in last]
    if added:
        at = parts[-1].end - 1
        sample = next((e.before for e in entries if e.before), None)
        kept = [changes.get(at, lines[at])]
        if kept[0]:
            ended(kept)
        ending = ending_of(lines[at]) or ending_of(lines[0]) or "\n"
        changes[at] = kept[0] + "".join(_new(k, v, sample) + ending for k, v in added)


def _is_comment(line: str) -> bool:
    return line.strip()[:1] in {"#", ";"}


def _line(entry: _Entry, value: str | None, line: str) -> str:
    before = entry.before
    if value is None:
        raise bad_update("A key that has a value cannot become one without: remove it instead.")
    if before is None:
        before = line.rstrip() + " = "
    elif not before[-1:].isspace() and before[-2:-1].isspace():
        before += " "  # `key =` becomes `key = value`
    return before + value.replace("\n", "\n\t") + (ending_of(line) or "")


def _new(key: str, value: str | None, sample: str | None) -> str:
    if value is None:
        return key
    delimiter = re.search(r"\s*[=:]\s*$", sample) if sample else None
    between = delimiter[0] if delimiter else " = "
    pad = sample[: len(sample) - len(sample.lstrip())] if sample else ""
    if delimiter and between.strip() and between[0].isspace() and not between[-1].isspace():
        between += " "
    return pad + key + between + value.replace("\n", "\n\t")


def _append(lines: list[str], new: Sections, sections: list[_Section]) -> None:
    """Whole new sections, at the end."""
    ending = (ending_of(lines[0]) if lines else "") or "\n"
    sample = next((e.before for s in sections for e in s.entries if e.before), None)
    for name, keys in new.items():
        ended(lines)
        if any(line.strip() for line in lines):
            lines.append(ending)
        lines.append(f"[{name}]{ending}")
        lines.extend(_new(key, value, sample) + ending for key, value in keys.items())
