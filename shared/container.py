"""Whether this is a container, and whose."""

from pathlib import Path
from typing import Final

_MARKS: Final = (
    ("docker", Path("/.dockerenv")),
    ("podman", Path("/run/.containerenv")),
    ("kubernetes", Path("/var/run/secrets/kubernetes.io")),
)


def container_engine() -> str:
    """`docker`, `podman` or `kubernetes`, "" for none that is known."""
    return next((name for name, mark in _MARKS if mark.exists()), "")
