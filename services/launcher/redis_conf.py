"""Parts of the redis.conf files that are written here: passwords, quoting, reading back."""

import os
import re
from pathlib import Path
from typing import Final

from shared.errors import DumbError

PASSWORD: Final = r"[0-9a-f]{64}"  # noqa: S105 - a pattern
"""As `new_password` makes them: they need no quotes."""


def new_password() -> str:
    """256 random bits."""
    return os.urandom(32).hex()


def conf_text(path: Path) -> str:
    """The text of a redis.conf; "" when there is none to read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def conf_value(conf: str, key: str, pattern: str) -> str:
    """The value of `key` when it matches `pattern` as a whole; else ""."""
    found = re.search(rf"^{key} ({pattern})$", conf, re.MULTILINE)
    return found[1] if found else ""


def quoted(path: Path) -> str:
    """A path as redis.conf takes it: in double quotes, with C escapes.

    Raises:
        DumbError: a redis.conf cannot hold it.
    """
    text = str(path)
    if "\n" in text or "\r" in text:
        raise DumbError("DUMB_HOME may not contain a line break.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
