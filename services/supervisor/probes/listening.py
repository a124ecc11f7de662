"""Whether a port of this machine is free."""

import errno
import socket
from typing import Final

_LOOPBACKS: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
_NO_SUCH_FAMILY: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def is_free(port: int) -> bool:
    """Whether a program could listen there, for both families that the machine has."""
    return all(_can_bind(family, host, port) for family, host in _LOOPBACKS)


def _can_bind(family: socket.AddressFamily, host: str, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # A connection that is fading away is nobody listening.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error.errno in _NO_SUCH_FAMILY
    return True
