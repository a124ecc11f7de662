"""Memory and environment of our own programs, closed to other processes of the same user."""

import ctypes
import os
from typing import Final

_PR_SET_DUMPABLE: Final = 4
"""<linux/prctl.h>; what follows from it is in prctl(2) and proc(5)."""


def close_memory() -> None:
    """Keep processes of the same user out of this one: no ptrace(2), no `/proc/<pid>/environ`,
    `mem`, `fd` or `maps`, and no core dump.

    Without root, services run as the user of the control plane, whose memory holds the secrets of
    all of them. Root's processes are closed to them already. An `exec` ends it, so a service can be
    debugged as usual; a `fork` keeps it.
    """
    if os.geteuid() != 0:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
