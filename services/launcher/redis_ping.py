"""PING over a raw socket: the launcher stays small because it does without redis-py."""

import socket
from enum import Enum
from typing import TYPE_CHECKING

from shared.errors import DumbError
from shared.exits import Exit
from shared.redis_url import RedisAddress
from shared.tls_reasons import hopeless_reason, tls_sentence

if TYPE_CHECKING:
    from ssl import SSLContext


class RedisRefusedError(DumbError):
    """Redis is there, and waiting will not make it accept us (a wrong password, for example)."""

    code = "redis_refused"
    exit_code = Exit.NO_PERMISSION


class RedisTlsError(DumbError):
    """The certificates do not fit, and trying again does not change that."""

    code = "redis_tls"
    exit_code = Exit.TLS


class Ping(Enum):
    """What came back. `LOADING`: it is there and still reads its append-only file."""

    OK = "ok"
    LOADING = "loading"


def ping(address: RedisAddress, timeout: float = 2.0) -> Ping:
    """Log in and ping once.

    Raises:
        OSError: nobody answers within `timeout` seconds.
        RedisTlsError: the certificates do not fit.
        RedisRefusedError: it answers, but not to us; the message is a sentence.
    """
    try:
        return _ping(address, timeout)
    except OSError as error:
        if reason := hopeless_reason(error):
            raise RedisTlsError(tls_sentence(address.place, reason)) from error
        raise


def _ping(address: RedisAddress, timeout: float) -> Ping:
    with _connect(address, timeout) as connection:
        if address.password:
            login = [address.user] if address.user else []
            answer = _ask(connection, "AUTH", *login, address.password)
            _refuse(address, answer)
        answer = _ask(connection, "PING")
    if answer.startswith(b"-LOADING"):
        return Ping.LOADING
    # NOPERM is an answer too: that user may not ping, and what it may do is not our business.
    if not answer.startswith((b"+PONG", b"-NOPERM")):
        _refuse(address, answer or b"-it is no Redis")
        raise RedisRefusedError(f"What listens at {address.place} is no Redis.")
    return Ping.OK


def _refuse(address: RedisAddress, answer: bytes) -> None:
    if not answer.startswith(b"-") or answer.startswith(b"-LOADING"):
        return
    words = answer[1:].decode("utf-8", "replace").strip()
    if words.startswith(("WRONGPASS", "NOAUTH", "ERR AUTH", "ERR invalid password")):
        raise RedisRefusedError(
            f"Redis at {address.place} refuses the user or password of REDIS_URL ({words})."
        )
    raise RedisRefusedError(f"Redis at {address.place} answers: {words[:200]}.")


def _connect(address: RedisAddress, timeout: float) -> socket.socket:
    if address.path:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(timeout)
            connection.connect(address.path)
        except OSError:
            connection.close()
            raise
        return connection
    connection = socket.create_connection((address.host, address.port), timeout)
    if not address.tls:
        return connection
    try:
        return _tls(address).wrap_socket(connection, server_hostname=address.host)
    except TimeoutError as error:  # a Redis without TLS waits for the rest of a strange command
        connection.close()
        raise TimeoutError("the TLS handshake timed out: does that port speak TLS?") from error
    except BaseException:
        connection.close()
        raise


def _tls(address: RedisAddress) -> "SSLContext":
    """The checks that redis-py would do for the same URL."""
    import ssl  # noqa: PLC0415 - 4 MB of memory that only a rediss:// URL needs

    context = ssl.create_default_context(cafile=address.options.get("ssl_ca_certs"))
    if address.options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = address.options.get("ssl_certfile")
    if certificate:
        context.load_cert_chain(certificate, address.options.get("ssl_keyfile"))
    return context


def _ask(connection: socket.socket, *words: str) -> bytes:
    """Send one command and return the one line that answers it."""
    parts = [word.encode() for word in words]
    body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    try:
        connection.sendall(b"*%d\r\n%s" % (len(parts), body))
    except OSError:
        connection.recv(1)  # raises what the other side said before it closed, if it did
        raise
    answer = b""
    while not answer.endswith(b"\n") and len(answer) < 4096:
        more = connection.recv(4096)
        if not more:
            raise ConnectionResetError("the connection was closed")
        answer += more
    return answer
