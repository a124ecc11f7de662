"""Redaction of a log as it comes: whole lines, parts of too long ones, and what stays open."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from shared.redaction.named import find, is_candidate
from shared.redaction.opened import Open, go_on, open_from_json
from shared.redaction.rules import (
    AFTER_NAMES,
    BEFORE_NAMES,
    NAME_NEEDS,
    PLACEHOLDER,
    RULE_NEEDLES,
    Rule,
    mail_spans,
    replaced,
)

REACH: Final = 4096
"""A secret and its name that are shorter than this together are not cut in two."""

_CUTS: Final = re.compile(rb"[\s,;&]")
_TRIES: Final = 24
_PEM: Final = re.compile(rb"-----begin [a-z0-9 ]{0,24}private key(?: block)?-----")
_PEM_END: Final = b"-----end"
_ROUNDS: Final = 32
"""Two or three are enough for any line that was seen; a hostile one shall not take for ever."""
_PEM_LINES: Final = 150

_RARE: Final = b"@%$_/=-."
# What is looked for is in upper case: digits, of which logs are full, share their low bits with
# small letters, and Python's search goes by those.
_NAMES: Final = tuple((need.upper(), need) for need in NAME_NEEDS)
# Before a word is searched for, its rarest byte is: that is fifty times as fast.
_RULES: Final = tuple(
    (next((bytes([c]) for c in need if bytes([c]) in _RARE), need[:1].upper()), need.upper(), need)
    for need in RULE_NEEDLES
)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The rules that can match. `names`: the name of a secret may be there, too."""

    before: tuple[Rule, ...]
    after: tuple[Rule, ...]
    names: bool


_ALL: Final = _Chosen(BEFORE_NAMES, AFTER_NAMES, True)


class Redactor:
    """One stream of lines. `state` is what has to be kept with the position in it."""

    def __init__(self, state: Any = None) -> None:
        """`state`: of the one before; anything that is none counts as nothing being open."""
        self._open = open_from_json(state)

    @property
    def state(self) -> list[Any] | None:
        """As JSON, a hundred bytes at most; None while nothing is open."""
        return None if self._open is None else self._open.to_json()

    def lines(self, data: bytes) -> bytes:
        """Whole lines with `[REDACTED]` instead of secrets.

        The last newline may be missing. Labels, separators, quotes and line ends stay. Any bytes
        are taken; what was redacted before stays as it is.
        """
        folded = data.upper()
        names = [need for needle, need in _NAMES if needle in folded]
        rules = tuple(
            [need for rare, needle, need in _RULES if rare in folded and needle in folded]
        )
        if not names and not rules and self._open is None:
            return data
        out: list[bytes] = []
        done = 0
        chosen = _chosen(tuple(names), rules)
        for start in [*_suspects(data, names, rules), len(data)]:
            while self._open is not None and done < start:
                done = self._line(data, done, out, chosen)
            if done <= start < len(data):
                out.append(data[done:start])
                done = self._line(data, start, out, chosen)
        out.append(data[done:])
        return b"".join(out)

    def part(self, data: bytes) -> bytes:
        """The part of a line that goes on; the next call goes on in it."""
        return self._redact(data, _ALL, whole=False)

    def split(self, line: bytes, limit: int) -> int:
        """Where to cut a line that is longer than `limit`: there, or before a secret near it.

        `line` holds at least `REACH` bytes behind `limit`, or all that there are.
        """
        low = max(0, limit - REACH)
        places = [match.start() for match in _CUTS.finditer(line, low + 1, limit)]
        tries: list[int] = [limit, *places[: -_TRIES - 1 : -1], *range(limit - 128, low, -512)]
        for at in tries:
            before, after = line[max(0, at - REACH) : at], line[at : at + REACH]
            if redact(before) + redact(after) == redact(before + after):
                return at
        return limit

    def _line(self, data: bytes, start: int, out: list[bytes], chosen: _Chosen) -> int:
        """Redact the line at `start`; where the next one begins."""
        end = data.find(b"\n", start)
        if end < 0:
            end = len(data)
        out += (self._redact(data[start:end], chosen, whole=True), data[end : end + 1])
        return min(end + 1, len(data))

    def _redact(self, line: bytes, chosen: _Chosen, *, whole: bool) -> bytes:
        shown = b""
        while self._open is not None:
            begun = self._open
            hidden, line, self._open = go_on(begun, line, whole=whole)
            shown += hidden
            if self._open is not None and (not line or begun.kind == "pem"):
                break
        if not line:
            return shown
        clean, opened = _scan(line, chosen, whole=whole)
        if self._open is None:
            self._open = opened if opened is None or whole else replace(opened, mid=True)
        return shown + clean


def redact(text: bytes) -> bytes:
    """`text` (whole lines, newlines optional) with secrets replaced by `[REDACTED]`.

    Idempotent; takes any bytes, never raises.
    """
    return Redactor().lines(text)


def redact_text(text: str) -> str:
    """`redact` for text; lone surrogates pass through."""
    return redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _suspects(data: bytes, names: list[bytes], rules: tuple[bytes, ...]) -> list[int]:
    """Where the lines begin that may hold a secret, in order."""
    lowered = data.lower()
    starts: set[int] = set()
    for needle in rules:
        at = lowered.find(needle)
        while at >= 0:
            starts.add(lowered.rfind(b"\n", 0, at) + 1)
            end = lowered.find(b"\n", at)
            at = lowered.find(needle, end) if end >= 0 else -1
    for needle in names:
        at = lowered.find(needle)
        while at >= 0:
            end = at + len(needle)
            if is_candidate(data, lowered, at, end):
                starts.add(lowered.rfind(b"\n", 0, at) + 1)
                end = lowered.find(b"\n", at)
            at = lowered.find(needle, end) if end >= 0 else -1
    return sorted(starts)


@lru_cache(maxsize=1024)
def _chosen(names: tuple[bytes, ...], rules: tuple[bytes, ...]) -> _Chosen:
    """What can match in a text that holds these."""

    def fits(rule: Rule) -> bool:
        return any(need in rules or any(name in need for name in names) for need in rule.needs)

    before = tuple(filter(fits, BEFORE_NAMES))
    return _Chosen(before, tuple(filter(fits, AFTER_NAMES)), bool(names))


def _scan(line: bytes, chosen: _Chosen, *, whole: bool) -> tuple[bytes, Open | None]:
    """One line by all rules, again until nothing changes: a value cut out by a late rule may have
    stood in the way of an early one. Each round that changes something leaves less to change.
    """
    opened: Open | None = None
    for _ in range(_ROUNDS):
        changed, found = _scan_once(line, chosen, whole=whole)
        opened = opened or found
        if changed == line:
            break
        line = changed
    return line, opened


def _scan_once(line: bytes, chosen: _Chosen, *, whole: bool) -> tuple[bytes, Open | None]:
    opened: Open | None = None
    if b"-----" in line:
        line, opened = _pem(line)
    line, found = _by_rules(chosen.before, line, whole=whole)
    opened = opened or found
    if chosen.names:
        spans, found = find(line, line.lower(), whole=whole)
        line, opened = replaced(line, spans), opened or found
    line, found = _by_rules(chosen.after, line, whole=whole)
    opened = opened or found
    return replaced(line, mail_spans(line)) if b"@" in line else line, opened


def _by_rules(rules: tuple[Rule, ...], line: bytes, *, whole: bool) -> tuple[bytes, Open | None]:
    opened: Open | None = None
    lowered = line.lower()
    for rule in rules:
        if not whole and rule.beyond == "end":
            continue
        for need in rule.needs:
            if need in lowered:
                break
        else:
            continue
        spans = [match.span(match.lastindex or 0) for match in rule.pattern.finditer(lowered)]
        if not spans:
            continue
        if not whole and spans[-1][1] == len(line) and rule.beyond:
            opened = opened or Open(rule.beyond, "", 0)
        line = replaced(line, spans)
        lowered = line.lower()
    return line, opened


def _pem(line: bytes) -> tuple[bytes, Open | None]:
    """A private key in PEM form that begins here. Certificates are no secrets."""
    lowered = line.lower()
    spans: list[tuple[int, int]] = []
    at = 0
    while begin := _PEM.search(lowered, at):
        end = lowered.find(_PEM_END, begin.end())
        at = len(line.rstrip(b"\r")) if end < 0 else end
        inner = line[begin.end() : at]
        if inner.strip(b" \"',\\") and not inner.startswith(PLACEHOLDER):
            spans.append((begin.end(), at))
        if end < 0:
            return replaced(line, spans), Open("pem", begin.start(), _PEM_LINES)
    return replaced(line, spans), None
