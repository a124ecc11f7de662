"""Application configuration files on the wire (docs/protocol.md, "Application files")."""

from enum import StrEnum
from typing import Final

ANSWER_TTL_S: Final = 60
"""How long what was read waits for the replica that asked: it may hold secrets."""


class FileFault(StrEnum):
    """Why a file was not read or not changed: `fault` in the receipt's `result`."""

    UNKNOWN_SERVICE = "unknown_service"
    NOT_NAMED = "not_named"
    """The service's block has no `config_file`."""
    OUTSIDE = "outside"
    """The path leaves the service's directories, or names what is no plain file."""
    MISSING = "missing"
    UNSUPPORTED = "unsupported"
    """A suffix that stands for no known format."""
    BAD_CONTENT = "bad_content"
    """The file does not hold what its suffix says."""
    BAD_UPDATE = "bad_update"
    """The update cannot be written in this format."""
    TOO_LARGE = "too_large"
    CHANGED = "changed"
    """Somebody else wrote the file at the same moment."""
    DISK = "disk"
    """The system refused to read or write."""
