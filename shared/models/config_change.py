"""What `update-config` may ask for, and why it may be refused (docs/protocol.md, "Configuration").

`args` of the command: `op`, the operation's own fields, and `if_match`: a list of which one must
be the `ETag` of what is changed. The supervisor checks it against the configuration of the moment
in which it acts. The outcome is in the receipt's `result`: `changed`, `version`, `etag`,
`restart_required`, `overridden`; or `code`.
"""

from enum import StrEnum


class ConfigOp(StrEnum):
    """The operations and their fields."""

    SERVICE = "service"
    """process_name, updates, persist: whole values by key, of one block."""
    GLOBAL = "global"
    """updates: merged deeply into the file, always persisted."""
    RESTORE = "restore"
    """version: the file as it was then."""


class Refusal(StrEnum):
    """`result.code` in the receipt of a change that was refused."""

    INVALID = "invalid"
    """The merge cannot be used, or the request cannot be understood."""
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_VERSION = "unknown_version"
    CHANGED = "changed"
    """`if_match` names no present state."""
    CONFLICT = "conflict"
    """It contradicts what is so: the service runs, the file on disk is broken."""
    TOO_LARGE = "too_large"
    """The file would be larger than a supervisor reads, or page memory than it may be."""
    UNAVAILABLE = "unavailable"
    """It could not be written; everything is as it was."""
