"""Secrets out of log lines: contract redaction.md 2 (14 rules) and its gaps (3).

Cost matters: every line of every service passes here. A chunk is tested for a few substrings
first; only the lines that hold one see the rules. Rules run on a lower-cased copy, because a
case-sensitive pattern can skip ahead and `(?i)` cannot; the found spans are cut from the
original. No rule matches across a newline, and none backtracks more than a bounded distance, so
time is linear in the length of a line.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PLACEHOLDER: Final = b"[REDACTED]"

SECRET_KEYS: Final = (
    "api key",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secret key",
    "token",
    "sentry key",
    "private key",
    "access key",
    "encryption key",
)
"""Names whose value is secret, also at the end of a longer name (`plex_token`, `DB_PASSWORD`).

Words may be joined by a space, `_`, `-` or nothing. Config masking and log redaction share it.
"""

_CONFIG_ONLY: Final = frozenset(
    {"plexclaim", "apikeys", "debridkey", "aiostreamsauth", "authorization", "dumbsetupcode"}
)
_COMPACT_KEYS: Final = tuple(key.replace(" ", "") for key in SECRET_KEYS)


@lru_cache(maxsize=4096)
def is_secret_key(name: str) -> bool:
    """Whether a configuration key or variable of that name holds a secret."""
    compact = name.lower().replace("_", "").replace("-", "").replace(" ", "").replace(".", "")
    return compact.endswith(_COMPACT_KEYS) or compact in _CONFIG_ONLY


@dataclass(frozen=True, slots=True)
class _Rule:
    """Replace group 1 of each match. `needs`: at least one of these is in a matching line."""

    needs: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


_NAMES: Final = b"|".join(key.replace(" ", "[ _-]?").encode() for key in SECRET_KEYS)
_NAME_NEEDS: Final = (b"pass", b"token", b"secret", b"key")
_GAP: Final = rb"(?:[ \t]|\x1b\[[0-9;]*m)*+"  # a colour may stand where a blank may
_SEP: Final = rb"(?:\\?[\"'])?+" + _GAP + rb"[=:]" + _GAP
_NEW: Final = rb"(?!\[redacted\])"  # what makes every rule idempotent
_REST: Final = rb"([^\n]*[^\r\n])"  # all of the line but its line end
_VALUE: Final = (
    rb"(?:\\[\"']" + _NEW + rb"((?:[^\\\"'\n]++|\\(?![\"'])[^\n])++)"
    rb"|\"" + _NEW + rb"((?:[^\"\\\n]++|\\[^\n])++)"
    rb"|'" + _NEW + rb"((?:[^'\\\n]++|\\[^\n])++)"
    rb"|(?!\\[\"'])" + _NEW + rb"([^,\"'\]}\s]++))"
)


def _rule(needs: Iterable[bytes], pattern: bytes) -> _Rule:
    return _Rule(tuple(needs), re.compile(pattern, re.MULTILINE))


_RULES: Final = (
    # 1 AIOStreams auth
    _rule([b"aiostreams_auth"], rb"aiostreams_auth(?:_permissions)?" + _SEP + _NEW + _REST),
    # 2 WebDAV credential line
    _rule([b"credentials:"], rb"webdav credentials:(?:(?! / )[^\n]){0,256} / " + _NEW + rb"(\S+)"),
    # 3 tunnel tokens
    _rule([b"token"], rb"tunnel_token" + _SEP + rb"[\"']?+" + _NEW + rb"([^,\]}\s\"']+)"),
    # 4 HTTP header lines
    _rule(
        [b"cookie", b"authorization", b"key", b"token"],
        rb"(?:cookie|authorization|x-api-key|x-auth-token|x-plex-token)"
        + _GAP
        + rb":"
        + _GAP
        + _NEW
        + _REST,
    ),
    # 5 authorization with `=`, or quoted
    _rule(
        [b"authorization"],
        rb"authorization"
        + _SEP
        + rb"(?:\\?[\"'])?+(?:bearer|basic)[ \t]++"
        + _NEW
        + rb"([^\s\"'\\,\]}]+)",
    ),
    # 6 quoted cookie keys
    _rule(
        [b"cookie"],
        rb"cookie\\?[\"']" + _GAP + rb":" + _GAP + rb"\\?+[\"']" + _NEW + rb"([^\"'}\r\n]+)",
    ),
    # gap: user and password of a URL, up to the last @ before the path
    _rule([b"@"], rb"://([^\s/?#\"'<>]+)@"),
    # 7 URL query
    _rule(
        [*_NAME_NEEDS, b"code="],
        rb"[?&](?:[a-z0-9._-]{0,48}(?:" + _NAMES + rb")|code)=" + _NEW + rb"([^&#\s\"<>]+)",
    ),
    # gap: a passphrase of several words, where nothing else on the line is a key
    _rule(
        [b"pass"],
        rb"pass(?:word|wd|phrase):[ \t]++"
        + _NEW
        + rb"([^\s=:,\"'{}\[\]][^\r\n=:\"'{}\[\]]*)(?=\r?$)",
    ),
    # 8 key and value, JSON
    _rule(_NAME_NEEDS, rb"(?:" + _NAMES + rb")" + _SEP + _VALUE),
    # gap: unlabelled bearer tokens and JWTs
    _rule(
        [b"bearer"],
        rb"bearer[ \t]++(?!(?:tokens?|auth[a-z]*|scheme|realm|header|credentials?|errors?)\b)"
        rb"([a-z0-9._~+/=-]{6,})",
    ),
    _rule([b"eyj"], rb"(?<![a-z0-9_-])(eyj[a-z0-9_-]{5,}+\.[a-z0-9_-]{5,}+\.[a-z0-9_-]*+)"),
    # 9 Plex account, 10 sign-in, 11 server id, 12 device path, 13 response id
    _rule([b"myplex"], rb"myplex: username is " + _NEW + rb"([^,\r\n]+)"),
    _rule([b"token"], rb"signed-in token \(" + _NEW + rb"([^)\r\n]+)"),
    _rule(
        [b"serveruuid", b"machineidentifier"],
        rb"(?:--serveruuid|machineidentifier)=([0-9a-f-]{16,})",
    ),
    _rule([b"/devices/", b"/api/servers/"], rb"/(?:devices|api/servers)/([0-9a-f]{32,})"),
    _rule([b"myplex"], rb"myplex: got response for ([0-9a-f]{32,})"),
)

# 14 e-mail addresses. Found from the @ outwards: a pattern that starts with the local part is
# quadratic on a long line without an @.
_MAIL_DOMAIN: Final = re.compile(rb"@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_MAIL_LOCAL: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-"

_NEEDLES: Final = tuple(dict.fromkeys(need for rule in _RULES for need in rule.needs))


def redact(text: bytes) -> bytes:
    """`text` (whole lines, newlines optional) with secrets replaced by `[REDACTED]`.

    Labels, separators, quotes and line ends stay. Idempotent; takes any bytes, never raises.
    """
    lowered = text.lower()
    found = frozenset(needle for needle in _NEEDLES if needle in lowered)
    if not found:
        return text
    spans = _suspect_lines(lowered, found)
    suspects = b"\n".join([text[start:end] for start, end in spans])
    cleaned = _apply(suspects, found)
    if cleaned == suspects:
        return text
    out: list[bytes] = []
    done = 0
    for (start, end), line in zip(spans, cleaned.split(b"\n"), strict=True):
        out += (text[done:start], line)
        done = end
    out.append(text[done:])
    return b"".join(out)


def redact_text(text: str) -> str:
    """`redact` for text; lone surrogates pass through."""
    return redact(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _suspect_lines(lowered: bytes, needles: Iterable[bytes]) -> list[tuple[int, int]]:
    """Start and end (before the newline) of every line that holds a needle, in order."""
    spans: dict[int, int] = {}
    for needle in needles:
        at = lowered.find(needle)
        while at >= 0:
            start = lowered.rfind(b"\n", 0, at) + 1
            end = lowered.find(b"\n", at)
            if end < 0:
                end = len(lowered)
            spans[start] = end
            at = lowered.find(needle, end)
    return sorted(spans.items())


def _apply(text: bytes, found: frozenset[bytes]) -> bytes:
    """All rules in order, again until nothing changes: a value cut out by a late rule may have
    stood in the way of an early one. Each round that changes something leaves less to change.
    """
    changed = _apply_once(text, found)
    while changed != text:
        text, changed = changed, _apply_once(changed, found)
    return text


def _apply_once(text: bytes, found: frozenset[bytes]) -> bytes:
    lowered = text.lower()
    for rule in _RULES:
        if found.isdisjoint(rule.needs):
            continue
        changed = _replace(rule.pattern, text, lowered)
        if changed is not text:
            text, lowered = changed, changed.lower()
    return _redact_mail(text) if b"@" in found else text


def _replace(pattern: re.Pattern[bytes], text: bytes, lowered: bytes) -> bytes:
    out: list[bytes] = []
    done = 0
    for match in pattern.finditer(lowered):
        start, end = match.span(match.lastindex or 0)
        out += (text[done:start], PLACEHOLDER)
        done = end
    if not out:
        return text
    out.append(text[done:])
    return b"".join(out)


def _redact_mail(text: bytes) -> bytes:
    out: list[bytes] = []
    done = seen = 0
    for match in _MAIL_DOMAIN.finditer(text):
        before = text[seen : match.start()]
        local = len(before) - len(before.rstrip(_MAIL_LOCAL))
        seen = match.end()
        if local:
            out += (text[done : match.start() - local], PLACEHOLDER)
            done = seen
    out.append(text[done:])
    return b"".join(out)
