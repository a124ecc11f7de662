"""What some kernels and containers do not tell must not cost what they do tell."""

from collections.abc import Callable
from typing import TypeVar

import psutil

_T = TypeVar("_T")


def quietly(read: Callable[[], _T]) -> _T | None:
    """What `read` says, None when this system does not have it or does not show it.

    Not logged: it is asked with every sample, and None is what the snapshot then says.
    """
    try:
        return read()
    # psutil says it in all these ways: no such file, no right, not on this platform, nothing of
    # the kind ("no disk found"), a line of /proc that it cannot read.
    except (OSError, psutil.Error, NotImplementedError, RuntimeError, ValueError):
        return None
