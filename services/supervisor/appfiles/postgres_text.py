"""postgresql.conf: lines are changed in place, with their comments and quoting."""

import re
from dataclasses import dataclass
from typing import Any, Final

from services.supervisor.appfiles.errors import bad_content, bad_update
from services.supervisor.appfiles.text import ended, ending_of, lines_of
from services.supervisor.appfiles.trees import as_text, require

_LINE: Final = re.compile(
    r"""(?P<before>[ \t]*(?P<key>[A-Za-z_][\w$.]*)(?:[ \t]*=[ \t]*|[ \t]+))
        (?P<value>'(?:[^'\\]|''|\\.)*'|[^\s\#'=]+)
        (?P<after>[ \t]*(?:\#.*)?)""",
    re.VERBOSE | re.ASCII,
)
_ESCAPE: Final = re.compile(r"''|\\([0-7]{1,3}|.)")
_LETTERS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BARE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*|[+-]?\d+(?:\.\d+)?[A-Za-z]{0,3}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z_][\w$.]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Setting:
    number: int
    key: str
    value: str
    match: re.Match[str]


def parse(text: str) -> dict[str, str]:
    """Values without their quotes; of several lines for one key the last counts.

    Raises:
        AppFileError: a line is no setting.
    """
    return {setting.key: setting.value for setting in _settings(lines_of(text))}


def edit(text: str, update: dict[str, Any]) -> str:
    """Change or append settings. Raises `AppFileError`."""
    lines = lines_of(text)
    settings = {setting.key: setting for setting in _settings(lines)}
    names = {key.lower(): key for key in settings}
    wanted = {setting.key: setting.value for setting in settings.values()}
    ending = (ending_of(lines[0]) if lines else "") or "\n"
    for asked, value in update.items():
        if _KEY.fullmatch(asked) is None:
            raise bad_update("The name of a setting is made of letters, digits, '_' and '.'.")
        key, new = names.get(asked.lower(), asked), _text_of(value)
        if wanted.get(key) == new:
            continue
        wanted[key] = new
        if key in settings:
            setting = settings[key]
            line, match = lines[setting.number], setting.match
            quoted = match["value"].startswith("'")
            lines[setting.number] = (
                match["before"] + _spelled(new, quoted=quoted) + match["after"] + ending_of(line)
            )
        else:
            ended(lines)
            lines.append(f"{key} = {_spelled(new)}{ending}")
            names[asked.lower()] = key
    new_text = "".join(lines)
    require(parse(new_text), wanted)
    return new_text


def replace(_text: str, given: str) -> str:
    """A whole new file, when every line of it is one. Raises `AppFileError`."""
    parse(given)
    return given


def _settings(lines: list[str]) -> list[_Setting]:
    found = []
    for number, line in enumerate(lines):
        content = line.rstrip("\r\n")
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(content)
        if match is None:
            raise bad_content("This is no setting of PostgreSQL (name = value).", number + 1)
        found.append(_Setting(number, match["key"], _unquoted(match["value"]), match))
    return found


def _unquoted(spelled: str) -> str:
    if not spelled.startswith("'"):
        return spelled
    return _ESCAPE.sub(_escaped, spelled[1:-1])


def _escaped(match: re.Match[str]) -> str:
    what = match[1]
    if what is None:
        return "'"
    if what[0] in "01234567":
        return chr(int(what, 8) & 0xFF)
    return _LETTERS.get(what, what)


def _text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    text = as_text(value)
    if text is None:
        raise bad_update("A setting of PostgreSQL has a value; null is none.")
    return text


def _spelled(value: str, *, quoted: bool = False) -> str:
    if not quoted and _BARE.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
