"""Exit codes of the programs (sysexits.h); docs/operations.md has the table."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """Why a program ended by itself."""

    OK = 0
    FAILED = 1
    KILLED = 3
    """Of the supervisor: everything is stopped, but a service had to be killed."""
    LEFT_BEHIND = 4
    """Of the supervisor: a service could not even be killed."""
    HANDED_OVER = 5
    """Of the supervisor: its services go on running, the next one takes them over."""
    UNAVAILABLE = 69
    """Redis did not answer in the time that a start may take; of `dumb`: the API does not."""
    CANNOT_WRITE = 73
    """The data directory is missing, or may not be written."""
    IN_USE = 75
    """Another one runs on this data directory; of the supervisor: or writes to this Redis."""
    TLS = 76
    """Redis and this program do not accept each other's certificates."""
    NO_PERMISSION = 77
    """Redis refuses the user or the password; of `dumb`: the API does, or the role is too low."""
    CONFIG = 78
    """A setting, or the configuration file, cannot be used."""


POINTLESS: Final = frozenset(
    {Exit.CANNOT_WRITE, Exit.IN_USE, Exit.TLS, Exit.NO_PERMISSION, Exit.CONFIG}
)
"""With these, starting the program again changes nothing: somebody has to."""

TELLING: Final = frozenset({Exit.KILLED, Exit.LEFT_BEHIND})
"""How an end went; `dumb up` ends with the same code."""
