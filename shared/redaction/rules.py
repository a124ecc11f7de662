"""Secrets that are known by their form or their place, not only by a name. Pure.

Rules run on a lower-cased copy, because a case-sensitive pattern can skip ahead and `(?i)` cannot;
the found spans are cut from the original. No rule backtracks more than a bounded distance, so time
is linear in the length of a line.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

PLACEHOLDER: Final = b"[REDACTED]"

Beyond = Literal["", "rest", "bare", "query", "word", "end"]
"""How a value goes on when its line was cut inside it (see opened.py). `end`: the rule is about
the end of a line, so it says nothing of a part."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Replace the last group of each match. `needs`: one of these is in a line that matches."""

    needs: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    beyond: Beyond = "bare"


GAP: Final = rb"(?:[ \t]|\x1b\[[0-9;]*m)*+"  # a colour may stand where a blank may
SEP: Final = rb"(?:\\{0,7}[\"'])?+" + GAP + rb"[=:]" + GAP
NEW: Final = rb"(?!\[redacted\])"  # what makes every rule idempotent
_REST: Final = rb"([^\n]*[^\r\n])"  # all of the line but its line end
SCHEMES: Final = rb"(?:bearer|basic|token|negotiate|apikey)"
_SCHEME: Final = (
    rb"(?:"
    + SEP
    + rb"|\\{0,7}[\"']?+(?:[ \t]*+,[ \t]*+|[ \t]++))(?:\\{0,7}[\"'])?+"
    + SCHEMES
    + rb"[ \t]++"
)


def _rule(needs: Iterable[bytes], pattern: bytes, beyond: Beyond = "bare") -> Rule:
    return Rule(tuple(needs), re.compile(pattern), beyond)


BEFORE_NAMES: Final = (
    # gap: user and password of a URL, up to the last @ before the path; also percent-encoded
    _rule([b"@"], rb"://([^\s/?#\"'<>]+)@"),
    _rule([b"%40"], rb"%3a%2f%2f((?:[^\s/?#\"'<>&%]|%(?!2f|3f|40))++)%40"),
    # 1 AIOStreams auth
    _rule([b"aiostreams_auth"], rb"aiostreams_auth(?:_permissions)?" + SEP + NEW + _REST, "rest"),
    # 2 WebDAV credential line
    _rule([b"credentials:"], rb"webdav credentials:(?:(?! / )[^\n]){0,256} / " + NEW + rb"(\S+)"),
    # 3 tunnel tokens
    _rule([b"token"], rb"tunnel_token" + SEP + rb"[\"']?+" + NEW + rb"([^,\]}\s\"']+)"),
    # 4 HTTP header lines
    _rule(
        [b"cookie", b"authorization", b"-key", b"-token", b"-session"],
        rb"(?:cookie|authorization|x-(?:[a-z]{1,12}-)?(?:api-?)?(?:key|token)|private-token"
        rb"|x-transmission-session-id)" + GAP + rb":" + GAP + NEW + _REST,
        "rest",
    ),
    # 5 authorization with `=`, or quoted
    _rule(
        [b"authorization"],
        rb"authorization" + _SCHEME + NEW + rb"([^\s\"'\\,\]}]+)",
    ),
    _rule(
        [b"auth"],
        rb"auth" + _SCHEME + NEW + rb"((?=[a-z_/+-]{0,64}[0-9=])(?!-)[^\s\"'\\,\]}]{6,}+)",
    ),
    # 6 quoted cookie keys
    _rule(
        [b"cookie"],
        rb"cookie\\{0,7}[\"']"
        + GAP
        + rb":"
        + GAP
        + rb"\\{0,7}+[\"']"
        + NEW
        + rb"((?:[^\"'}\\\r\n]|\\++(?![\"'\\]))+)",
    ),
    # 7 URL query, for what is a secret in no other place
    _rule([b"code="], rb"[?&]code=" + NEW + rb"([^&#\s\"<>]+)", "query"),
    # gap: a passphrase of several words, where nothing else on the line is a key
    _rule(
        [b"pass"],
        rb"pass(?:word|wd|phrase):[ \t]++"
        + NEW
        + rb"([^\s=:,\"'{}\[\]|>][^\r\n=:\"'{}\[\]]*)(?=\r?$)",
        "end",
    ),
    # gap: commands and directives that are known for it, SQL and what Redis is asked
    _rule(
        [b"sshpass -p", b"requirepass", b"masterauth"],
        rb"(?:sshpass -p[ \t]*+|(?:requirepass|masterauth)[\"']?[ \t]++)[\"']?"
        + NEW
        + rb"([^\s\"'=:][^\s\"']*)",
    ),
    _rule(
        [b"password"],
        rb"\bpassword[\"']?[ \t]++([\"'])" + NEW + rb"((?:[^\"'\n]|(?!\1)[\"']|''){4,}+)\1",
    ),
    _rule(
        [b"password", b"passwd", b"token", b"secret", b"key"],
        rb"\b(?:pass(?:word|wd)|token|secret|api key)(?: for [^\s:]{1,40})?"
        rb"(?: is:?|:)[ \t]++[\"'(]?"
        + NEW
        + rb"((?=[^\s0-9]{0,64}[0-9])[^\s\"'()=:]{6,64}+)(?=[\"')]?\.?[ \t]*+\r?$)",
        "end",
    ),
    _rule([b'"auth" "'], rb"\"auth\" \"" + NEW + rb"([^\"]+)"),
)

AFTER_NAMES: Final = (
    # gap: unlabelled bearer tokens, JWTs and other tokens that say what they are
    _rule(
        [b"bearer"],
        rb"bearer[ \t]++(?!(?:tokens?|auth[a-z]*|scheme|realm|header|credentials?|errors?)\b)"
        rb"([a-z0-9._~+/=-]{6,})",
        "word",
    ),
    _rule(
        [b".eyj"], rb"(?<![a-z0-9_-])(eyj[a-z0-9_-]{5,}+\.eyj[a-z0-9_-]{2,}+\.[a-z0-9_-]*+)", "word"
    ),
    _rule([b"dumb_"], rb"(?<![a-z0-9_-])(dumb_[a-z0-9_-]{40,}+)", "word"),
    _rule(
        [b"ghp_", b"github_pat_"],
        rb"(?<![a-z0-9])(ghp_[a-z0-9]{20,}+|github_pat_[a-z0-9_]{20,}+)",
        "word",
    ),
    _rule(
        [b"$apr1$", b"$2a$", b"$2b$", b"$2y$", b"$argon2", b"$6$"],
        rb"(\$(?:apr1|2[aby]|argon2[id]{1,2}|6)\$[^\s\"',;:\\]{16,})",
        "word",
    ),
    _rule([b"claim-"], rb"(?<![a-z0-9-])(claim-(?=[a-z_-]*[0-9])[a-z0-9_-]{16,}+)", "word"),
    _rule(
        [b"hooks"],
        rb"hooks(?:/[0-9]{6,24}|\.slack\.com/services/t[a-z0-9]{6,14}/b[a-z0-9]{6,14})"
        rb"/([a-z0-9_-]{16,})",
        "word",
    ),
    # 9 Plex account, 10 sign-in, 11 server id, 12 device path, 13 response id
    _rule([b"myplex"], rb"myplex: username is " + NEW + rb"([^,\r\n]+)", ""),
    _rule([b"token"], rb"signed-in token \(" + NEW + rb"([^)\r\n]+)", ""),
    _rule(
        [b"serveruuid", b"machineidentifier"],
        rb"(?:--serveruuid|machineidentifier)=([0-9a-f-]{16,})",
        "word",
    ),
    _rule([b"/devices/", b"/api/servers/"], rb"/(?:devices|api/servers)/([0-9a-f]{32,})", "word"),
    _rule([b"myplex"], rb"myplex: got response for ([0-9a-f]{32,})", "word"),
)

NAME_NEEDS: Final = (
    b"pass", b"token", b"secret", b"key", b"auth", b"cookie", b"sess", b"claim", b"cred", b"pw",
)  # fmt: skip
"""One of these is in every name of a secret (shared/secret_names.py; a test compares)."""

RULE_NEEDLES: Final = tuple(
    dict.fromkeys(
        need
        for rule in (*BEFORE_NAMES, *AFTER_NAMES)
        for need in rule.needs
        if need == b"claim-" or not any(name in need for name in NAME_NEEDS)
    )
)
"""A line that a rule changes has one of these, or the name of a secret."""

# 14 e-mail addresses, and the `user:password@tcp(host)` of MySQL. Found from the @ outwards: a
# pattern that starts with the local part is quadratic on a long line without an @.
_DSN: Final = re.compile(rb"@(?:tcp|udp|unix)\(")
_DSN_LOCAL: Final = bytes(byte for byte in range(33, 256) if byte not in b"\"'=(,")
_MAIL_DOMAIN: Final = re.compile(rb"@[A-Za-z0-9.-]+\.[A-Za-z]{2,}")
_MAIL_LOCAL: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-"


def mail_spans(text: bytes) -> list[tuple[int, int]]:
    """Start and end of every e-mail address, or of what stands before the @ of a MySQL DSN."""
    spans: list[tuple[int, int]] = []
    seen = 0
    for match in _DSN.finditer(text):
        before = text[max(seen, match.start() - 128) : match.start()]
        local = before[len(before.rstrip(_DSN_LOCAL)) :]
        seen = match.end()
        if b":" in local:
            spans.append((match.start() - len(local), match.start()))
    if spans:  # the next round finds the addresses
        return spans
    for match in _MAIL_DOMAIN.finditer(text):
        before = text[seen : match.start()]
        size = len(before) - len(before.rstrip(_MAIL_LOCAL))
        seen = match.end()
        if size:
            spans.append((match.start() - size, seen))
    return spans


def replaced(text: bytes, spans: Iterable[tuple[int, int]]) -> bytes:
    """`text` with each span (in order, apart from each other) replaced by `[REDACTED]`."""
    out: list[bytes] = []
    done = 0
    for start, end in spans:
        out += (text[done:start], PLACEHOLDER)
        done = end
    if not out:
        return text
    out.append(text[done:])
    return b"".join(out)
