"""Values of secret names in a line of any format: `name=value`, JSON, also JSON inside JSON, YAML,
query strings, XML, flags of command lines, dumps of structures. Pure.

A line is searched for the words that names of secrets consist of. Around a hit the whole name is
taken, and only when something that assigns follows, `shared/secret_names.py` is asked.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from shared.redaction.opened import BARE, QUERY, Open, masked_items, quoted_end
from shared.redaction.rules import GAP, NAME_NEEDS, SCHEMES
from shared.secret_names import Kind, is_secret_value, kind_of

Spans = list[tuple[int, int]]

_HIT: Final = re.compile(b"|".join(NAME_NEEDS))
_NAME: Final = b"abcdefghijklmnopqrstuvwxyz0123456789_-."
_NAME_BYTES: Final = 64
_TAIL: Final = re.compile(rb"(?:[a-z0-9_.-]|%(?:5f|2d|2e)){0,64}+")
_ESCAPED_JOINS: Final = (b"5f", b"2d", b"2e")
_HEX: Final = re.compile(rb"[0-9a-f]{2}")

_COLOUR: Final = re.compile(rb"\d{1,3}m")

_SEP: Final = re.compile(
    rb"(?:\[\d{1,3}\])?+(?:\\{0,7}[\"']|%(?:25)?22|&quot;|\\u0022)?+\]?+"
    + GAP
    + rb"(?:={1,3}+>?(?!~)|:=|:(?::(?=[ \t]))?+(?!:|//)|%(?:25)?3[ad](?:%(?:25)?22)?)"
    + GAP
)
_TAG_END: Final = re.compile(rb"(?:[ \t][^<>\n]{0,200})?(?:>|&gt;)[ \t]*+(?:<!\[cdata\[)?")
_TAG_TEXT: Final = re.compile(rb"[^<&\]\n]*+(?:(?:&(?!lt;)|\](?!\]>))[^<&\]\n]*+)*+")
_DONE: Final = re.compile(rb"\\{0,7}[\"']?(?:" + SCHEMES + rb"[ \t]++)?\[redacted\]")
_TYPED: Final = re.compile(rb"(?:\([\w.]{1,24}\) ?|[\w.]{1,32}\(|[bur]{1,2}|\$)(?=\\{0,7}[\"'])")
_QUOTE: Final = re.compile(rb"(\\{0,15})([\"'])")
_OPENER: Final = re.compile(
    rb"(?:\[\][\w.]{1,32}|map\[\w{1,16}\][\w.]{1,32}|&)?([\[{]|\((?=[bu]?[\"']))"
)
_EOL: Final = re.compile(rb"[ \t\r]*+$")
_BLOCK: Final = re.compile(rb"[|>][+-]?[ \t\r]*$")
_ENCODED: Final = re.compile(rb"(?:[^&#\s\"<>'\\%]++|%(?!(?:25)?(?:2[26c]|[57]d)))++")
_ASSIGNS_ENCODED: Final = re.compile(rb"%(?:25)?3[ad]")
_FLAG_GAP: Final = re.compile(rb"(?:\\{0,7}[\"'][ \t]*+,?[ \t]*+|,?[ \t]++)(?![-\s])")
_PROSE: Final = frozenset(
    b"a and argument as before flag for from if in instead is must not of on option or string text"
    b" the to use value was when with without".split()
)
_PAIR_BEFORE: Final = re.compile(
    rb"\b(?:name|key|field|header|variable)(?:\\{0,7}[\"'])?\s*+[:=]\s*+\\{0,7}[\"']$"
)
_PAIR_AFTER: Final = re.compile(
    rb"\\{0,7}[\"'][^{}<>\n]{0,256}?\bvalue(?:\\{0,7}[\"'])?\s*+[:=]\s*+"
)
_TUPLE: Final = re.compile(rb"[\"'],[ \t]*+(?=b?([\"'])[^\"'\n]*+\1[)\]])")
_TUPLE_BEFORE: Final = re.compile(rb"([(\[])b?[\"']$")
"""`('X-Api-Key', '...')`: how servers and clients show their headers."""
_ATTRIBUTE: Final = re.compile(rb"[ \t][^<>\n]{0,128}?\bvalue=")
_ESCAPED_QUOTE: Final = b"\\u0022"
"""A quote in JSON inside JSON, as .NET writes it."""
_PLAIN_WORDS: Final = re.compile(rb"[a-z][a-z _-]*")
_STATES: Final = frozenset(
    b"empty expired invalid missing required rejected revoked unset unknown valid".split()
)
"""`api key: missing` says something about it."""
_METHODS: Final = frozenset({b"auth", b"authorization", b"session", b"claim", b"sessions"})


_FOLLOWS: Final = re.compile(
    rb"(?P<pem>(?: block)?-----)|"
    + _TAIL.pattern
    + rb"(?:(?P<assigned>"
    + _SEP.pattern
    + rb")|(?P<mark>[>&\"'\\])|(?P<gap>[ \t,]))"
)
_BLANKS: Final = frozenset({b" ", b"\t", b"\n", b""})
_PLAIN_AHEAD: Final = re.compile(rb"(?:\d{1,15}|true|false|null|none|nil|yes|no)(?![\w.:/+-])")
_SPACED: Final = re.compile(
    rb"token \(|authorization[ \t,]|sshpass -p|requirepass[ \t]|masterauth[ \t]"
    rb"|password[ \t]++[\"']|(?:pass(?:word|wd)|token|secret|key)[ \t]++(?:is|for)[ \t:]"
)
"""What rules find behind a name and a blank."""


@dataclass(slots=True)
class _Line:
    """A line and what was found in it."""

    text: bytes
    lowered: bytes
    whole: bool
    spans: Spans
    opened: Open | None = None


def find(text: bytes, lowered: bytes, *, whole: bool) -> tuple[Spans, Open | None]:
    """The values of secret names in one line without its newline, and what they leave open.

    `whole`: the line ends here; else it was cut, and a value at its end goes on.
    """
    line = _Line(text, lowered, whole, [])
    done = 0
    for hit in _HIT.finditer(lowered):
        if hit.start() < done:
            continue
        begin, end = _name_at(lowered, hit.start(), hit.end(), done)
        done = _value_of(line, begin, end)
    return line.spans, line.opened


def is_candidate(data: bytes, lowered: bytes, at: int, end: int) -> bool:
    """Whether the word of a secret's name at `at` may be followed by a secret. Cheap, and never
    wrong when it says no."""
    follows = _FOLLOWS.match(lowered, end)
    if follows is None:
        return False
    what = follows.lastgroup
    if what == "pem":
        return True
    if what == "gap" and lowered[at - 1 : at] in _BLANKS:  # a word of prose, mostly
        return _SPACED.match(lowered, at) is not None
    begin, stop = _name_at(lowered, at, end, max(0, at - _NAME_BYTES))
    if what == "gap" and lowered[begin : begin + 1] != b"-" and not _in_tag(lowered, begin):
        return _SPACED.match(lowered, begin) is not None
    if what == "mark" and lowered.startswith((b'auth" "', b'pass" ', b'word" '), at):
        return True
    kind = _kind_before(data, lowered, begin, stop)
    if kind is Kind.WEAK or kind is Kind.MANY:
        return what != "assigned" or _PLAIN_AHEAD.match(lowered, follows.end()) is None
    return kind is not Kind.NONE


def _name_at(lowered: bytes, begin: int, end: int, floor: int) -> tuple[int, int]:
    """The whole name around a word of it, its percent-encoded joints included."""
    word = begin
    lowest = max(floor, begin - _NAME_BYTES)
    while True:
        left = lowered[lowest:begin]
        begin -= len(left) - len(left.rstrip(_NAME))
        if begin <= lowest or lowered[begin - 1 : begin] != b"%":
            break
        escape = lowered[begin : begin + 2]
        if escape not in _ESCAPED_JOINS:
            if _HEX.fullmatch(escape):
                begin = min(begin + 2, word)  # `%22apikey`: the digits are not of the name
            break
        begin -= 1
    if lowered[begin - 1 : begin] in {b"[", b";"} and (colour := _COLOUR.match(lowered, begin)):
        begin = min(colour.end(), word)
    tail = _TAIL.match(lowered, end)
    return begin, tail.end() if tail else end


@lru_cache(maxsize=8192)
def _kind(name: bytes) -> Kind:
    text = name.decode("ascii", "replace")
    return kind_of(unquote(text) if "%" in text else text)


def _value_of(line: _Line, begin: int, end: int) -> int:
    """Mask what belongs to the name there; where to search on."""
    lowered = line.lowered
    sep = _SEP.match(lowered, end)
    if sep is not None:
        kind = _kind_before(line.text, lowered, begin, end)
        return _assigned(line, begin, sep.end(), kind) if kind else end
    follows = lowered[end : end + 1]
    if follows in {b">", b"&", b" "} and _in_tag(lowered, begin):
        return _element(line, begin, end)
    if lowered[begin : begin + 1] == b"-" and follows in {b" ", b"\t", b'"', b"'", b"\\", b","}:
        return _flag(line, begin, end)
    if follows in {b'"', b"'", b"\\"} and _PAIR_BEFORE.search(lowered[max(0, begin - 32) : begin]):
        kind, after = _kind(line.text[begin:end]), _PAIR_AFTER.match(lowered, end)
        if kind and after is not None:
            return _assigned(line, begin, after.end(), kind)
    if follows in {b'"', b"'"} and (after := _TUPLE.match(lowered, end)):
        before = _TUPLE_BEFORE.search(lowered[max(0, begin - 3) : begin])
        if before is not None and (before[1] == b"(" or b"-" in lowered[begin:end]):
            kind = _kind(line.text[begin:end])
            return _assigned(line, begin, after.end(), kind) if kind else end
    return end


def _kind_before(text: bytes, lowered: bytes, begin: int, end: int) -> Kind:
    name = text[begin:end]
    kind = _kind(name)
    if not kind and lowered[begin:end] in {b"key", b"keys"}:
        before = text[max(0, begin - 16) : begin]
        if before.endswith(b" ") and (words := before.split()):  # `api key: ...`
            return _kind(words[-1] + b"_" + name)
    return kind


# -- name=value and name: value ------------------------------------------------------------


def _assigned(line: _Line, begin: int, at: int, kind: Kind) -> int:
    lowered = line.lowered
    if _DONE.match(lowered, at):
        return at
    if typed := _TYPED.match(lowered, at):
        at = typed.end()
    if quote := _QUOTE.match(lowered, at):
        return _quoted(line, quote, kind)
    if lowered.startswith(_ESCAPED_QUOTE, at):
        return _in_escaped_quotes(line, at + len(_ESCAPED_QUOTE), kind)
    if opener := _OPENER.match(lowered, at):
        return _structure(line, opener, kind)
    if kind is not Kind.WEAK and _EOL.match(lowered, at):
        if line.whole and lowered[at - 1 : at] == b":":
            line.opened = line.opened or Open("items", _indent(line.text), 100)
        return at
    if block := _BLOCK.match(lowered, at):
        line.opened = line.opened or Open("block", _indent(line.text), 100)
        return block.end()
    query = _in_query(lowered, begin)
    encoded = lowered.find(b"%", begin, at) >= 0 and _ASSIGNS_ENCODED.search(lowered, begin, at)
    value = (_ENCODED if encoded else QUERY if query else BARE).match(lowered, at)
    if value is None:
        return at
    if not _worth(line, begin, value.span(), kind):
        return at
    line.spans.append(value.span())
    if not line.whole and value.end() == len(lowered):
        line.opened = line.opened or Open("query" if query or encoded else "bare", "", 0)
    return value.end()


def _worth(line: _Line, begin: int, span: tuple[int, int], kind: Kind) -> bool:
    """Whether a value is a secret. After a weak name plain words are prose, or name a method."""
    start, end = span
    if kind is Kind.WEAK and _PLAIN_WORDS.fullmatch(line.lowered, start, end):
        name = line.lowered[begin:start].rstrip(b" \t=:\"'\\")
        if name in _METHODS:
            return False
        if line.lowered[start - 1 : start] == b" " and _after_word(line.lowered, begin):
            return False
    if line.lowered[start:end] in _STATES and line.lowered[start - 1 : start] == b" ":
        return False
    return is_secret_value(kind, line.text[start:end].decode("latin-1"))


def _after_word(lowered: bytes, begin: int) -> bool:
    if lowered[begin - 1 : begin] != b" ":
        return False
    # What was redacted there before counts as a word, too: a second pass must see the same.
    return lowered[begin - 2 : begin - 1].isalnum() or lowered[begin - 2 : begin - 1] == b"]"


def _in_query(lowered: bytes, begin: int) -> bool:
    if begin == 0:
        return False
    before = lowered[max(0, begin - 5) : begin]
    in_json = before.endswith(b"\\") and lowered.startswith(b"u0026", begin)
    return in_json or before.endswith((b"?", b"&", b"%3f", b"%26", b"&amp;"))


def _indent(text: bytes) -> int:
    return len(text) - len(text.lstrip(b" \t"))


def _quoted(line: _Line, quote: re.Match[bytes], kind: Kind) -> int:
    slashes, mark = len(quote[1]), quote[2]
    start = quote.end()
    end, closed = quoted_end(line.text, start, slashes, mark)
    if not closed:
        end = len(line.text.rstrip(b"\r"))
    if end == start or not _worth(line, quote.start(), (start, end), kind):
        return start
    line.spans.append((start, end))
    if not closed and (kind is not Kind.WEAK or not line.whole):
        line.opened = line.opened or Open("quote", f"{slashes}{mark.decode()}", 20)
    return end


def _in_escaped_quotes(line: _Line, start: int, kind: Kind) -> int:
    end = line.lowered.find(_ESCAPED_QUOTE, start)
    end = len(line.lowered.rstrip(b"\r")) if end < 0 else end
    done = line.lowered.startswith(b"[redacted]", start)
    if end > start and not done and _worth(line, start, (start, end), kind):
        line.spans.append((start, end))
    return end


def _structure(line: _Line, opener: re.Match[bytes], kind: Kind) -> int:
    """An array or object under a secret's name: its names stay, its values do not."""
    at = opener.start(1)
    if kind is Kind.WEAK and opener[1] == b"{":
        return opener.end()  # the names inside decide
    spans, end, stack = masked_items(line.text, at, "", kind, whole=line.whole)
    line.spans += spans
    if stack and (not line.whole or line.text[:end].rstrip().endswith((b"[", b"{", b","))):
        line.opened = line.opened or Open("nest", f"{kind.value}{stack}", 500)
    return max(end, opener.end())


# -- elements, flags -----------------------------------------------------------------------


def _in_tag(lowered: bytes, begin: int) -> bool:
    before = lowered[max(0, begin - 24) : begin]
    name_space = before.rstrip(_NAME + b":") if before.endswith(b":") else before
    return name_space.endswith((b"<", b"&lt;"))


def _element(line: _Line, begin: int, end: int) -> int:
    kind, tag = _kind(line.text[begin:end]), _TAG_END.match(line.lowered, end)
    if kind and (attribute := _ATTRIBUTE.match(line.lowered, end)):
        return _assigned(line, begin, attribute.end(), kind)
    if not kind or tag is None or _DONE.match(line.lowered, tag.end()):
        return end
    value = _TAG_TEXT.match(line.lowered, tag.end())
    start, stop = value.span() if value else (tag.end(), tag.end())
    if line.lowered.startswith((b"</", b"&lt;/", b"]]>"), stop):
        if _worth(line, start, (start, stop), kind):
            line.spans.append((start, stop))
    elif not line.whole and stop == len(line.lowered) and stop > start:
        line.spans.append((start, stop))
        line.opened = line.opened or Open("xml", "", 20)
    elif _EOL.match(line.lowered, start) and line.text[:begin].strip() == b"<":
        line.opened = line.opened or Open("xml", "", 20)
    return stop if line.spans and line.spans[-1] == (start, stop) else tag.end()


def _flag(line: _Line, begin: int, end: int) -> int:
    gap = _FLAG_GAP.match(line.lowered, end)
    before = line.lowered[begin - 1 : begin]
    if gap is None or before.isalnum():
        return end
    kind = _kind(line.text[begin:end])
    if not kind or _DONE.match(line.lowered, gap.end()):
        return end
    if quote := _QUOTE.match(line.lowered, gap.end()):
        return _quoted(line, quote, kind)
    value = BARE.match(line.lowered, gap.end())
    if value is None or value[0] in _PROSE:
        return end
    if not is_secret_value(kind, line.text[value.start() : value.end()].decode("latin-1")):
        return end
    line.spans.append(value.span())
    return value.end()
