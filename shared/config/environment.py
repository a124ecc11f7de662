"""Where values over the configuration file come from (contract config.md 5). Reads files.

Strongest first: a file of the secrets directory, the process environment (for a secret also
`<NAME>_FILE`, which names a file), and `.env` files.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shared.config.overrides import OWN_NAMES
from shared.config.pages import Config
from shared.secret_names import is_secret_name

SECRETS_DIR: Final = Path("/run/secrets")
MAX_FILE_BYTES: Final = 64 << 10
_LINE: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")


@dataclass(frozen=True, slots=True)
class Variable:
    """A value and where it came from: `environment`, or the path of a file."""

    text: str = field(repr=False)
    source: str


def read_variables(
    tree: Config,
    environ: Mapping[str, str],
    env_files: Iterable[Path] = (),
    secrets_dir: Path = SECRETS_DIR,
) -> dict[str, Variable]:
    """Everything that may override a key of `tree`, by the name of its variable.

    `env_files`: the first one that has a name counts. A file that cannot be read counts as absent.
    """
    found: dict[str, Variable] = {}
    for path in reversed(list(env_files)):
        for name, text in parse_env_file(_read(path) or "").items():
            found[name] = Variable(text, str(path))
    found = {name: value for name, value in found.items() if value.text.strip()}
    secrets = _secret_files(secrets_dir)
    for key, name in _names(tree):
        if is_secret_name(key) and not environ.get(name, "").strip():
            named = environ.get(f"{name}_FILE", "").strip()
            content = _read(Path(named)) if named else None
            if content is not None:
                found[name] = Variable(content.strip(), named)
    for name, text in environ.items():
        if text.strip():
            found[name] = Variable(text, "environment")
    for _key, name in _names(tree):
        if name in secrets:
            content = _read(secrets[name])
            if content is not None:  # a blank one counts: it says that there is no secret
                found[name] = Variable(content.strip(), str(secrets[name]))
    return {name: value for name, value in found.items() if name not in OWN_NAMES}


def parse_env_file(text: str) -> dict[str, str]:
    """`NAME=value` lines: `export`, quotes and comments as shells have them, no substitution."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match:
            found[match[1]] = _unquoted(match[2].strip())
    return found


def _unquoted(text: str) -> str:
    if text[:1] in {"'", '"'}:
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else text
    return text.split(" #", 1)[0].rstrip() if not text.startswith("#") else ""


def _names(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key and the name of its variable."""
    for key, value in tree.items():
        name = prefix + key.upper()
        yield key, name
        if name.startswith("INFINIDYSK_"):
            yield key, "NZBDAV_" + name.removeprefix("INFINIDYSK_")
        if isinstance(value, Mapping):
            yield from _names(value, name + "_")


def _secret_files(directory: Path) -> dict[str, Path]:
    try:
        return {path.name: path for path in directory.iterdir()}
    except OSError:
        return {}


def _read(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
