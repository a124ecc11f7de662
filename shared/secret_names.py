"""Which names stand for a secret, and which values under them are none. Pure.

One vocabulary for everything that hides secrets: masks of the configuration, redaction of logs,
command lines, application files, environment and audit. A name is cut into its words
(`PLEX_TOKEN`, `plexToken`, `plex-token` and `plex.token` are the same two); one of the words must
be the name of a secret, and no word behind it may say that this is a property of it
(`token_ttl`, `cookie_domain`).
"""

import re
from enum import IntEnum
from functools import lru_cache
from typing import Final


class Kind(IntEnum):
    """How much a name says about its value."""

    NONE = 0
    WEAK = 1
    """`auth`, `session`: a secret, unless the value is a number, a path or a well-known word."""
    MANY = 2
    """`tokens`: secrets, or how many there are."""
    ONE = 3
    """`password`: whatever stands there, except yes, no and nothing."""


STRONG: Final = (
    "password", "passwd", "passphrase", "passcode", "passkey", "secret", "token", "apikey",
    "secretkey", "privatekey", "accesskey", "encryptionkey", "sentrykey", "authkey", "masterkey",
    "signingkey", "sharedkey", "sessionkey", "debridkey",
)  # fmt: skip
"""Also at the end of a longer word: `PGPASSWORD`, `mytoken`."""

_KEYS: Final = frozenset(
    {
        "api", "app", "secret", "private", "access", "encryption", "sentry", "auth", "master",
        "signing", "shared", "session", "license", "storage", "account", "webhook", "hmac", "jwt",
        "rss", "pass", "aes", "cookie", "debrid", "realdebrid", "alldebrid", "premiumize",
        "torbox", "rd", "tmdb", "tvdb", "omdb", "trakt", "opensubtitles", "mdblist",
    }
)  # fmt: skip
"""What a key is for, when it is a secret: `tmdb_key`, but not `sort_key` or `public_key`."""

_WEAK: Final = frozenset(
    {
        "pass", "pwd", "pw", "auth", "authorization", "credential", "cred", "cookie", "session",
        "claim", "sessid", "sessionid",
    }
)  # fmt: skip
_GLUED: Final = re.compile(
    r"(?:rc|db|user|smtp|mysql|pg|postgres|sql|redis|ftp|http|basic|proxy|ssh|ldap|imap|mail|admin"
    r"|root|web|dav|webdav|php|j|asp|plex|torrent|set|require|master)"
    r"(pass|pwd|pw|auth|cookie|sessid|sessionid|claim)"
)
"""A weak name at the end of a word; `compass`, `bypass` and `oauth` are words of their own."""

_VALUES: Final = frozenset(
    {"id", "key", "value", "values", "string", "str", "data", "header", "headers", "raw", "b64",
     "base64", "hash", "hex", "cookie", "pass", "pwd", "permissions"}
)  # fmt: skip
"""What may follow a weak name: `session_id`, `auth_header`."""

_PROPERTIES: Final = frozenset(
    {
        "age", "alg", "algo", "algorithm", "allowed", "at", "audience", "bits", "bytes", "cache",
        "change", "changed", "changes", "check", "class", "configured", "count", "created",
        "date", "dir", "directory", "disabled", "domain", "enabled", "encoding", "encryption",
        "endpoint", "env",
        "error", "errors", "exists", "expiration", "expire", "expired", "expires", "expiry",
        "failed", "field", "file", "filename", "files", "folder", "format", "handler", "header",
        "hint", "history", "host", "id", "ids", "in", "index", "interval", "issuer", "iterations",
        "kind",
        "label", "left", "len", "length", "level", "lifetime", "limit", "limits", "location",
        "manager", "max", "message", "method", "methods", "min", "missing", "mode", "name", "names",
        "note", "ok", "option", "options", "param", "parameter", "path", "paths", "per", "period",
        "policies", "policy", "port", "prefix", "present", "prompt", "protocol", "provider",
        "providers", "refreshed", "required", "requirements", "reset", "role", "roles", "rotation",
        "rule", "rules", "samesite", "scheme", "scope", "scopes", "secure", "set", "size",
        "source", "state", "status", "stdin", "strategy", "strength", "suffix", "supported",
        "text", "time", "timeout", "title", "total", "ttl", "type", "types", "updated", "uri",
        "url", "urls", "usage", "used", "user", "username", "users", "valid", "validation",
        "validity", "version", "warning",
        "conf", "css", "csv", "db", "html", "ini", "jpg", "js", "json", "log", "mkv", "mp4", "nfo",
        "png", "py", "sock", "srt", "svg", "toml", "ts", "txt", "xml", "yaml", "yml",
    }
)  # fmt: skip
"""Behind the name of a secret: something about it that may be seen."""

_QUESTIONS: Final = frozenset(
    {
        "allow", "bypass", "can", "change", "completion", "count", "disable", "enable", "has",
        "hide", "is", "max", "min", "missing", "needs", "no", "num", "number", "page", "prompt",
        "require", "required", "requires", "should", "show", "skip", "total", "use", "uses", "with",
        "without",
    }
)  # fmt: skip
"""In front of it: whether there is one, or how many."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CAMEL_PLURAL: Final = re.compile(r"([A-Z]{2,})s(?![a-z])")

_NOTHING: Final = frozenset(
    {
        "", "true", "false", "yes", "no", "on", "off", "null", "none", "nil", "undefined",
        "<nil>", "<none>", "<null>", "(null)", "(none)", "(empty)", "<empty>", "n/a", "***",
    }
)  # fmt: skip
_NUMBER: Final = re.compile(
    r"[-+]?\d[\d_.,]{0,15}(?:[kmgt]i?b?|b|%|ns|us|ms|s|sec|m|min|h|d|w|y)?|0x[0-9a-f]{1,16}",
    re.IGNORECASE,
)
_PATH: Final = re.compile(r"(?:~|\.{1,2})?/[\w.~ /@-]{0,200}|[A-Za-z]:\\[^\n]{0,200}")
_KNOWN_WORDS: Final = frozenset(
    {
        "accepted", "active", "anonymous", "basic", "bearer", "builtin", "cert", "closed",
        "created", "default", "denied", "destroyed", "digest", "disabled", "enabled", "ended",
        "error", "expired", "external", "failed", "failure", "form", "forms", "forward", "granted",
        "ident", "inactive", "internal", "invalid", "lax", "ldap", "local", "md5", "missing",
        "negotiate", "new", "ntlm", "oauth", "oauth2", "ok", "oidc", "one_factor", "open", "opened",
        "optional", "peer", "pending", "plain", "proxy", "reject", "rejected", "remote", "required",
        "resumed", "saml", "scram-sha-256", "started", "stopped", "strict", "success", "successful",
        "trust", "two_factor", "unauthorized", "unknown", "unset", "valid",
    }
)  # fmt: skip
"""Values of methods and states, as they stand under a weak name."""


@lru_cache(maxsize=8192)
def kind_of(name: str) -> Kind:
    """What a configuration key, variable, flag, header, element or field of that name holds."""
    words = _words_of(name)
    if not words or words[0] in _QUESTIONS:
        return Kind.NONE
    for at in reversed(range(len(words))):
        kind = _kind_at(words, at)
        if kind is not Kind.NONE:
            return kind
    return Kind.ONE if "".join(words) in STRONG else Kind.NONE  # `PaSsWoRd`


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name is a secret, as far as the name can tell."""
    return kind_of(name) is not Kind.NONE


def is_secret_value(kind: Kind, text: str) -> bool:
    """Whether `text`, under a name of that kind, is worth hiding."""
    if kind is Kind.NONE or text.lower() in _NOTHING:
        return False
    if kind is Kind.ONE:
        return True
    if _NUMBER.fullmatch(text):
        return False
    if kind is Kind.MANY:
        return True
    return text.lower() not in _KNOWN_WORDS and not _PATH.fullmatch(text)


def secret_flag(item: str) -> Kind:
    """What is expected behind a command line's `--rc-pass`; NONE for anything else."""
    if item.startswith("-") and len(item) > 2 and not _ASSIGNED.search(item):
        return kind_of(item)
    return Kind.NONE


_ASSIGNED: Final = re.compile(r"[=\s]")


def _words_of(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(_CAMEL_PLURAL.sub(r"\1", name[:256]))]


def _kind_at(words: list[str], at: int) -> Kind:
    word, behind = words[at], words[at + 1 :]
    many = word.endswith("s") and not word.endswith("ss")
    noun = word[:-1] if many else word
    if (noun, words[at - 1 : at]) == ("code", ["setup"]):
        return Kind.ONE  # DUMB_SETUP_CODE
    if noun.endswith(STRONG) or (noun == "key" and at > 0 and _single(words[at - 1]) in _KEYS):
        if behind and (behind[0] in _PROPERTIES or behind[-1] in _PROPERTIES):
            return Kind.NONE
        return Kind.MANY if many else Kind.ONE
    if noun == "pass" and words[at - 1 : at] == ["by"]:
        return Kind.NONE
    glued = _GLUED.fullmatch(noun)
    if (noun in _WEAK or glued) and all(w in _VALUES or w.isdecimal() for w in behind):
        return Kind.WEAK
    return Kind.NONE


def _single(word: str) -> str:
    return word[:-1] if word.endswith("s") and len(word) > 3 else word
