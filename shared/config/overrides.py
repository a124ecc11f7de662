"""Environment variables over the configuration file (contract config.md 5), into a copy."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.config.document import parse_strict
from shared.config.pages import Config

OWN_NAMES: Final = frozenset(
    {
        "DUMB_AUTH_CONFIG_PATH",
        "DUMB_CONFIG",
        "DUMB_HOME",
        "DUMB_INSTANCE",
        "DUMB_JWT_SECRET",
        "DUMB_JWT_SECRET_FILE",
        "DUMB_REDIS_PREFIX",
        "DUMB_SETUP_CODE",
        "DUMB_SETUP_CODE_FILE",
        "DUMB_TOKEN",
        "REDIS_URL",
    }
)
"""Variables that mean something to this program itself and never override a key."""

_API_KEYS: Final = {"DUMB_API_SERVICE_HOST": "host", "DUMB_API_SERVICE_PORT": "port"}


def apply_overrides(tree: Config, environ: Mapping[str, str]) -> Config:
    """The effective configuration: `tree` with values from `environ`. Neither is changed.

    A variable is named like the key's path, joined by `_`, in upper case:
    `SONARR_INSTANCES_DEFAULT_PORT`. Only keys that the file has are overridden, except
    `dumb.api_service.host` and `.port`, which always can be. Blank values are ignored; a value
    that does not fit the type of the file's value leaves that in place. Validate the result.
    """
    return override(tree, environ)[0]


@dataclass(frozen=True, slots=True)
class Overridden:
    """A key whose value comes from a variable."""

    path: tuple[str, ...]
    name: str


def override(
    tree: Config, environ: Mapping[str, str], *, blank: frozenset[str] = frozenset()
) -> tuple[Config, list[Overridden]]:
    """`apply_overrides`, and which keys have a variable of a usable form.

    Args:
        blank: names that count although they are blank (files of secrets).
    """
    effective = copy.deepcopy(tree)
    values = {
        name: text
        for name, text in environ.items()
        if (text.strip() or name in blank) and _is_text(text)
    }
    for own in OWN_NAMES:
        values.pop(own, None)
    _ensure_api_keys(effective, values)
    names = {name: name for name in values}
    for name in list(values):
        # infinidysk was called nzbdav; its old variables count where no new one is set.
        if name.startswith("NZBDAV_"):
            new = "INFINIDYSK_" + name.removeprefix("NZBDAV_")
            values.setdefault(new, values[name])
            names.setdefault(new, name)
    found: list[tuple[tuple[str, ...], str]] = []
    _override(effective, (), "", values, found)
    return effective, [Overridden(path, names[name]) for path, name in found]


def _ensure_api_keys(tree: dict[str, Any], values: Mapping[str, str]) -> None:
    for name, key in _API_KEYS.items():
        if name in values:
            dumb = tree.setdefault("dumb", {})
            api = dumb.setdefault("api_service", {}) if isinstance(dumb, dict) else None
            if isinstance(api, dict):
                api.setdefault(key, 0 if key == "port" else "")


def _override(
    tree: dict[str, Any],
    path: tuple[str, ...],
    prefix: str,
    values: Mapping[str, str],
    found: list[tuple[tuple[str, ...], str]],
) -> None:
    for key, current in tree.items():
        name = prefix + key.upper()
        if name in values:
            usable, tree[key] = _converted(key, current, values[name].strip())
            if usable:
                found.append(((*path, key), name))
        elif isinstance(current, dict):
            _override(tree[key], (*path, key), name + "_", values, found)


def _converted(key: str, current: Any, text: str) -> tuple[bool, Any]:
    """Whether `text` fits the type of `current`, and the value: `current` when it does not."""
    if isinstance(current, bool):
        return True, text.lower() in {"true", "1", "yes"}
    try:
        if isinstance(current, int | float | list | dict):
            parsed = parse_strict(text)
            if isinstance(current, float) and type(parsed) is int:
                return True, float(parsed)
            usable = type(parsed) is type(current)
            return usable, parsed if usable else current
    except (ValueError, RecursionError):
        return False, current
    return True, text.upper() if key in {"log_level", "loglevel"} else text


def _is_text(value: str) -> bool:
    """False for a variable that is not UTF-8, which no JSON can carry."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
