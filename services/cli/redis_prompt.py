"""What `dumb redis-cli` does where there is no redis-cli: one command, or a prompt."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from redis.exceptions import RedisError

from services.cli.redis_session import STREAMS, Session
from services.cli.redis_words import (
    ErrorReply,
    QuotingError,
    Reply,
    formatted,
    is_verbatim,
    raw,
    split,
)
from shared.errors import DumbError
from shared.redis_url import RedisAddress

SLOW_S: Final = 0.5
"""From here on the prompt says how long it took, as redis-cli does."""

INTERRUPTED: Final = 130
HELP: Final = (
    "This is `dumb redis-cli` itself. Type any command of Redis; `quit`, `exit` or Ctrl-D ends.\n"
    "Install redis-tools or valkey-tools for the options and the help of redis-cli.\n"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the arguments say. `plain`: raw values instead of the form for people."""

    plain: bool
    command: tuple[bytes, ...]
    db: int | None = None
    errors_fail: bool = False
    """An error of Redis is written to standard error, with exit code 1 (`-e`)."""


def parse_arguments(arguments: Sequence[str], *, plain: bool) -> Wanted:
    """Options come before the command, as in redis-cli.

    Raises:
        DumbError: an option that is not known here.
    """
    rest = list(arguments)
    db: int | None = None
    errors_fail = False
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option in {"--raw", "--no-raw"}:
            plain = option == "--raw"
        elif option == "-e":
            errors_fail = True
        elif option == "-n" and rest and rest[0].isascii() and rest[0].isdecimal():
            db = int(rest.pop(0))
        else:
            raise DumbError(
                f"{option}: without a redis-cli on this machine `dumb redis-cli` takes the options "
                "--raw, --no-raw, -e and -n NUMBER. Install redis-tools or valkey-tools for others."
            )
    return Wanted(plain, tuple(map(os.fsencode, rest)), db, errors_fail)


class RedisPrompt:
    """Asks on behalf of a person or a script, and prints what comes."""

    def __init__(self, address: RedisAddress, wanted: Wanted) -> None:
        self._address = address
        self._wanted = wanted
        self._session = Session(address.to_url(), wanted.db)

    def run(self) -> int:
        """Returns the exit code.

        Raises:
            DumbError: Redis is away, or refuses the login (only for one command).
        """
        if self._wanted.command:
            return self._one(self._wanted.command)
        return self._many()

    def _one(self, command: Sequence[bytes]) -> int:
        try:
            failed = self._carry_out(command)
        except RedisError as error:
            raise DumbError(self._lost(error)) from error
        except KeyboardInterrupt:
            return INTERRUPTED
        return 1 if failed and self._wanted.errors_fail else 0

    def _many(self) -> int:
        code = 0
        for line in self._lines():
            try:
                command = split(line)
            except QuotingError:
                self._write(b"Invalid argument(s)\n")
                continue
            if not command:
                continue
            word = command[0].lower()
            if word in {b"quit", b"exit"}:
                break
            if word == b"help":
                self._write(HELP.encode())
            elif word == b"clear":
                self._write(b"\x1b[H\x1b[2J")
            else:
                code = self._at_prompt(command)
        return code

    def _at_prompt(self, command: Sequence[bytes]) -> int:
        """Carry it out; whatever goes wrong, the next line is read."""
        began = time.monotonic()
        try:
            failed = self._carry_out(command)
        except RedisError as error:
            print(self._lost(error), file=sys.stderr, flush=True)
            self._session.close()
            return 1
        except KeyboardInterrupt:  # no more of MONITOR, or of a command that blocks
            self._write(b"\n")
            self._session.close()
            return 0
        took = time.monotonic() - began
        if took >= SLOW_S and not self._wanted.plain:
            self._write(b"(%.2fs)\n" % took)
        return 1 if failed and self._wanted.errors_fail else 0

    def _carry_out(self, command: Sequence[bytes]) -> bool:
        """Whether Redis answered with an error."""
        if command[0].upper() == b"HELLO" and len(command) > 1 and command[1] != b"2":
            reply: Reply = ErrorReply(b"NOPROTO this client speaks RESP2; use HELLO 2")
        else:
            reply = self._session.ask(command)
        many = command[0].upper() in STREAMS and not isinstance(reply, ErrorReply)
        if many and not self._wanted.plain and command[0].upper() != b"MONITOR":
            self._write(b"Reading messages... (press Ctrl-C to quit)\n")
        self._print(command, reply)
        while many:
            self._print(command, self._session.next_reply())
        return isinstance(reply, ErrorReply)

    def _print(self, command: Sequence[bytes], reply: Reply) -> None:
        if isinstance(reply, ErrorReply) and self._wanted.errors_fail:
            sys.stderr.buffer.write(reply.text + b"\n")
            sys.stderr.flush()
        elif self._wanted.plain:
            self._write(raw(reply) + b"\n")
        elif is_verbatim(command) and isinstance(reply, bytes):
            self._write(raw(reply))
        else:
            self._write(formatted(reply))

    def _write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()

    def _lines(self) -> Iterator[bytes]:
        """From a terminal with a prompt and line editing, else as they come."""
        if not sys.stdin.isatty():
            yield from (line.rstrip(b"\r\n") for line in sys.stdin.buffer)
            return
        with suppress(ImportError):  # a Python that was built without it has no line editing
            import readline  # noqa: F401 - `input` uses it once it is loaded
        while True:
            try:
                line = input(self._prompt())
            except (EOFError, KeyboardInterrupt):
                self._write(b"\n")
                return
            yield line.encode("utf-8", "surrogateescape")

    def _prompt(self) -> str:
        address = self._address
        place = f"redis {address.path}" if address.path else address.place
        db = f"[{self._session.db}]" if self._session.db else ""
        return f"{place}{db}{'(TX)' if self._session.transaction else ''}> "

    def _lost(self, error: RedisError) -> str:
        return f"Redis at {self._address.place} cannot be used: {str(error).rstrip('.')}."
