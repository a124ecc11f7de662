"""`{field}` in commands and environment values (contract config.md 4).

Pure: everything is filled into copies at spawn time and never goes back into the file, so a
later change of `port` reaches every place that names it.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Any, Final, TypeVar

_FIELD: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_POSTGRES_FIELDS: Final = ("host", "port", "user", "password", "config_dir", "config_file")

Fields = Mapping[str, Any]
_T = TypeVar("_T")


def is_placeholder(text: str) -> bool:
    """Whether all of it is one field: `{port}`."""
    return _FIELD.fullmatch(text) is not None


def global_fields(
    tree: Fields, *, python: str, project: str, dumb_home: str
) -> dict[str, str | int | float | bool]:
    """What any service may name besides its own block: `{python}`, `{postgres_port}`, `{puid}`...

    Args:
        tree: the whole configuration; its top-level scalars (`puid`, `tz`, ...) are included.
        python: the interpreter of this program.
        project: the directory that holds `services/` and `shared/`.
        dumb_home: the data directory.
    """
    fields = {key: value for key, value in tree.items() if isinstance(value, str | int | float)}
    postgres = tree.get("postgres")
    if isinstance(postgres, dict):
        for key in _POSTGRES_FIELDS:
            if isinstance(postgres.get(key), str | int):
                fields[f"postgres_{key}"] = postgres[key]
    return {**fields, "python": python, "project": project, "dumb_home": dumb_home}


def fill(value: _T, block: Fields, global_values: Fields) -> _T:
    """A copy of `value` (text, list or object) with every known field replaced.

    A field is looked up in the service's block, then in the globals; only text, numbers and
    booleans are put in. What a field brings in may itself name fields, one level deep. Unknown
    fields stay as they are.
    """
    return _fill(value, {**global_values, **block}, nested=True)  # type: ignore[no-any-return]


def fill_env(env: Mapping[str, Any], block: Fields, global_values: Fields) -> dict[str, str]:
    """The environment variables of a block as text; those that hold a `$` are left alone."""
    return {
        name: text if "$" in text else fill(text, block, global_values)
        for name, text in ((name, _plain(value) or "") for name, value in env.items())
    }


def fill_command(command: object, block: Fields, global_values: Fields) -> list[str]:
    """The argv of a `command` field: a list as it is, a string split like a shell would.

    Splitting comes first, so a value with spaces stays one argument. None gives [].

    Raises:
        ValueError: a string with an open quote.
    """
    if isinstance(command, str):
        command = shlex.split(command)
    if not isinstance(command, list):
        return []
    return [str(item) for item in fill(command, block, global_values)]


def _fill(value: Any, fields: Fields, *, nested: bool) -> Any:
    if isinstance(value, str):
        return _FIELD.sub(lambda match: _text(match, fields, nested=nested), value)
    if isinstance(value, list):
        return [_fill(item, fields, nested=nested) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, fields, nested=nested) for key, item in value.items()}
    return value


def _text(match: re.Match[str], fields: Fields, *, nested: bool) -> str:
    text = _plain(fields.get(match[1]))
    if text is None:
        return match[0]
    return str(_fill(text, fields, nested=False)) if nested else text


def _plain(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
