"""Lines and replies of `dumb redis-cli` in the forms of redis-cli. No I/O.

The forms are those of redis-cli.c (`sdssplitargs`, `cliFormatReplyTTY`, `cliFormatReplyRaw`) in
Redis 7.0; a test compares them with a real one.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from redis.exceptions import ResponseError

HEX: Final = b"0123456789abcdefABCDEF"
SPACE: Final = b" \t\n\r\v\f\0"
ESCAPES: Final = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
SHOWN: Final = {value: b"\\" + bytes([letter]) for letter, value in ESCAPES.items()} | {
    ord("\\"): b"\\\\",
    ord('"'): b'\\"',
}

VERBATIM: Final = {
    b"INFO": frozenset[bytes](),
    b"LOLWUT": frozenset[bytes](),
    b"CLIENT": frozenset({b"LIST", b"INFO"}),
    b"CLUSTER": frozenset({b"NODES", b"INFO"}),
    b"DEBUG": frozenset({b"HTSTATS", b"HTSTATS-KEY", b"CLIENT-EVICTION"}),
    b"LATENCY": frozenset({b"GRAPH", b"DOCTOR"}),
    b"MEMORY": frozenset({b"MALLOC-STATS", b"DOCTOR"}),
}
"""Commands that answer with text for people, and the subcommands that do; empty means all."""


class Status(bytes):
    """A simple string, such as `OK`; bulk strings are `bytes`."""

    __slots__ = ()


class ErrorReply(ResponseError):  # noqa: N818 - a reply, which is rarely raised
    """An error that Redis answered. `text` has its first word, which redis-py would cut off."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text.decode("utf-8", "replace"))
        self.text = text


Reply: TypeAlias = "Status | bytes | int | ErrorReply | list[Reply] | None"
"""One reply in RESP2."""


class QuotingError(ValueError):
    """A line whose quotes do not fit."""


def split(line: bytes) -> list[bytes]:
    """The arguments of a line: in words, `"…"` with C escapes and `\\xHH`, or `'…'`.

    Raises:
        QuotingError: a quote is open at the end, or goes on behind its end.
    """
    words: list[bytes] = []
    place = 0
    while True:
        while place < len(line) and line[place] in SPACE:
            place += 1
        if place == len(line):
            return words
        word, place = _word(line, place)
        words.append(word)


def _word(line: bytes, place: int) -> tuple[bytes, int]:
    """The word that begins at `place`, and where it ends."""
    word = bytearray()
    while place < len(line) and line[place] not in SPACE:
        if line[place] in b"\"'":
            part, place = _quoted(line, place + 1, line[place])
            word += part
            if place < len(line) and line[place] not in SPACE:
                raise QuotingError("a space must follow a closing quote")
        else:
            word.append(line[place])
            place += 1
    return bytes(word), place


def _quoted(line: bytes, place: int, quote: int) -> tuple[bytes, int]:
    part = bytearray()
    double = quote == ord('"')
    while place < len(line) and line[place] != quote:
        taken = 1
        rest = line[place : place + 4]
        if double and rest[:2] == b"\\x" and len(rest) == 4 and all(c in HEX for c in rest[2:]):
            part += bytes.fromhex(rest[2:].decode())
            taken = 4
        elif double and rest[:1] == b"\\" and len(rest) > 1:
            part.append(ESCAPES.get(rest[1], rest[1]))
            taken = 2
        elif not double and rest[:2] == b"\\'":
            part += b"'"
            taken = 2
        else:
            part.append(line[place])
        place += taken
    if place == len(line):
        raise QuotingError("a quote is not closed")
    return bytes(part), place + 1


def is_verbatim(command: Sequence[bytes]) -> bool:
    """Whether the answer is text that a terminal gets as it is."""
    subcommands = VERBATIM.get(command[0].upper())
    if subcommands is None:
        return False
    return not subcommands or (len(command) > 1 and command[1].upper() in subcommands)


def raw(reply: Reply) -> bytes:
    """As redis-cli writes it into a pipe, without the line break at the end."""
    match reply:
        case None:
            return b""
        case ErrorReply():
            return reply.text + b"\n"
        case list():
            return b"\n".join(map(raw, reply))
        case int():
            return b"%d" % reply
        case _:
            return bytes(reply)


def formatted(reply: Reply, indent: bytes = b"") -> bytes:
    """As redis-cli shows it on a terminal, with the line break at the end."""
    match reply:
        case None:
            return b"(nil)\n"
        case ErrorReply():
            return b"(error) " + reply.text + b"\n"
        case int():
            return b"(integer) %d\n" % reply
        case Status():
            return bytes(reply) + b"\n"
        case list():
            return _numbered(reply, indent)
        case _:
            return shown(reply) + b"\n"


def _numbered(replies: list[Reply], indent: bytes) -> bytes:
    if not replies:
        return b"(empty array)\n"
    width = len(str(len(replies)))
    inner = indent + b" " * (width + 2)
    # The first one stands behind the number of the array around this one.
    return b"".join(
        (indent if number > 1 else b"") + b"%*d) " % (width, number) + formatted(reply, inner)
        for number, reply in enumerate(replies, start=1)
    )


def shown(text: bytes) -> bytes:
    """A string in double quotes, with escapes for what is not printable ASCII."""
    return b'"%s"' % b"".join(
        SHOWN.get(c) or (bytes([c]) if 32 <= c < 127 else b"\\x%02x" % c) for c in text
    )
