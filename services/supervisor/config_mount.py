"""How the configuration is mounted: two ways in which it can be read but not saved."""

import os
from pathlib import Path
from typing import Final

MOUNTS: Final = Path("/proc/self/mountinfo")


def trouble_with(config: Path, mounts: Path = MOUNTS) -> str:
    """A sentence about a file that cannot be replaced, "" for one that can.

    Services run all the same, so this is a warning and no reason to end.
    """
    target = config.resolve()
    if str(target) in _mount_points(mounts):
        return (
            f"{target} is a mount point, so it can be read but never saved: "
            f"mount its directory {target.parent} instead of the file."
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        return (
            f"{target.parent} may not be written, so the configuration can be read but not saved: "
            "mount it read-write, for the user that runs the supervisor."
        )
    return ""


def _mount_points(mounts: Path) -> set[str]:
    """Field 5 of proc(5) mountinfo, with its octal escapes of white space undone."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return set()
    fields = (line.split(" ", 5) for line in lines)
    return {_plain(field[4]) for field in fields if len(field) > 5}


def _plain(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
