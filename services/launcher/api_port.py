"""The API's port: free before it starts, answering after."""

import errno
import socket

from shared.api_address import reachable_host
from shared.errors import DumbError
from shared.tls import unverified


class PortError(DumbError):
    """The API cannot listen there."""

    code = "port"


def refuse_taken(host: str, port: int, config: str) -> None:
    """Try whether the API can listen on `host:port`.

    Raises:
        PortError: it cannot; one sentence that says how to choose another.
    """
    try:
        family, kind, _proto, _name, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken by another program" if taken else f"cannot be used ({error.strerror})"
        raise PortError(
            f"{host}:{port} {why}: choose another with DUMB_API_SERVICE_HOST and "
            f"DUMB_API_SERVICE_PORT, or in {config} under dumb.api_service."
        ) from error


def is_live(host: str, port: int, timeout: float = 0.5, *, tls: bool = False) -> bool:
    """Whether `GET /livez` there answers 200. No secret is sent, so no certificate is checked."""
    # Without accounts the API answers to hosts of the local network alone, wherever it listens.
    request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with (
            socket.create_connection((reachable_host(host), port), timeout) as plain,
            unverified().wrap_socket(plain) if tls else plain as connection,
        ):
            connection.sendall(request)
            answer = connection.recv(64)
    except OSError:
        return False
    return answer.split(b" ", 2)[1:2] == [b"200"]
