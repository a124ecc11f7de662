"""The token of a data directory: by it its supervisors know each other in Redis."""

import hashlib
import re
from pathlib import Path
from typing import Final

TOKEN_FILE: Final = "supervisor.token"  # noqa: S105 - the name of a file
"""In the run directory, readable for its user alone."""

_TOKEN: Final = re.compile(r"[0-9a-f]{64}")


def read_token(path: Path) -> str:
    """The token in a file, "" when there is none that could be used."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return text if _TOKEN.fullmatch(text) else ""


def owner_of(token: str) -> str:
    """What others may know of a token: its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()
