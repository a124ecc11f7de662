"""What some kernels and containers do not tell must not cost what they do tell."""

from collections.abc import Callable
from typing import TypeVar

import psutil

_T = TypeVar("_T")


def quietly(read: Callable[[], _T]) -> _T | None:
    """What `read` says, None when this system does not have it or does not show it."""
    try:
        return read()
    except (OSError, psutil.Error, NotImplementedError, RuntimeError, ValueError):
        return None
