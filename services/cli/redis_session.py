"""One connection to Redis as a person uses it: any command, and its reply in full."""

from collections.abc import Sequence
from typing import Any, Final

from redis._parsers.resp2 import _RESP2Parser
from redis.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse

from services.cli.redis_words import ErrorReply, Reply, Status

STREAMS: Final = frozenset({b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"MONITOR"})
"""After these, replies come until the connection ends."""


class _Parser(_RESP2Parser):
    """redis-py's, but a status stays apart from a string, and an error keeps its first word."""

    def _read_response(self, *_: Any, **__: Any) -> Reply:
        buffer: Any = self._buffer
        raw: bytes = buffer.readline()
        if not raw:
            raise RedisConnectionError("the server closed the connection")
        kind, rest = raw[:1], raw[1:]
        match kind:
            case b"-":
                return ErrorReply(rest)
            case b"+":
                return Status(rest)
            case b":":
                return int(rest)
            case b"$" | b"*" if rest == b"-1":
                return None
            case b"$":
                text: bytes = buffer.read(int(rest))
                return text
            case b"*":
                return [self._read_response() for _ in range(int(rest))]
            case _:
                raise InvalidResponse(f"this is not RESP2: {raw[:40]!r}")


class Session:
    """Connects when it is first asked, and again after the connection was lost.

    Args:
        url: as redis-py takes it.
        db: a database in place of the URL's; None leaves it.
    """

    def __init__(self, url: str, db: int | None = None) -> None:
        # No timeout: a blocking command, MONITOR and SUBSCRIBE wait as long as the person does.
        self._pool = ConnectionPool.from_url(
            url, parser_class=_Parser, protocol=2, socket_timeout=None
        )
        if db is not None:
            self._pool.connection_kwargs["db"] = db
        self._connection: Any = None
        self.transaction = False
        """Between MULTI and EXEC."""

    @property
    def db(self) -> int:
        """The database in use."""
        return int(self._pool.connection_kwargs.get("db") or 0)

    def ask(self, command: Sequence[bytes]) -> Reply:
        """Send one command and return its reply, or the first of many (`STREAMS`).

        Raises:
            redis.RedisError: Redis is away, refuses the login, or the connection is lost.
        """
        if self._connection is None:
            self._connection = self._pool.get_connection()
        self._connection.send_command(*command)
        reply = self.next_reply()
        self._follow(command, reply)
        return reply

    def next_reply(self) -> Reply:
        """Wait for one more. Raises `redis.RedisError` as `ask` does."""
        if self._connection is None:
            raise RedisConnectionError("the connection is closed")
        try:
            reply: Reply = self._connection.read_response(disconnect_on_error=False)
        except ErrorReply as error:
            return error
        return reply

    def close(self) -> None:
        """End the connection; the next `ask` begins another one, on the same database."""
        self._connection = None
        self.transaction = False
        self._pool.disconnect()
        self._pool.reset()

    def _follow(self, command: Sequence[bytes], reply: Reply) -> None:
        """What the command has changed about this connection."""
        word = command[0].upper()
        done = not isinstance(reply, ErrorReply)
        if word == b"MULTI" and done:
            self.transaction = True
        elif word in {b"EXEC", b"DISCARD"}:
            self.transaction = False
        elif word == b"SELECT" and done and not self.transaction:
            self._pool.connection_kwargs["db"] = int(command[1])
