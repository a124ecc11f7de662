"""What failed at which subordinate: the names in `dumb:seerr:failed` (contract seerr-sync.md 5)."""

from typing import Final

SEPARATOR: Final = "||"
"""Between the fingerprint of a title and the label of a subordinate."""


def failure_key(fingerprint: str, label: str) -> str:
    """The name of a failure, as the original's state file has it."""
    return f"{fingerprint}{SEPARATOR}{label}"
