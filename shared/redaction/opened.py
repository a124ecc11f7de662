"""Secrets that reach beyond their line, and how they go on. Pure.

A log is redacted line by line, but a secret may have several: a key in PEM form, a text in quotes,
a pretty-printed array, a line that was cut because it is too long. What is still open is a small
value that is kept with the position up to which the log was read.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from shared.redaction.rules import PLACEHOLDER
from shared.secret_names import Kind, is_secret_value


@dataclass(frozen=True, slots=True)
class Open:
    """A secret that is not at its end.

    Args:
        kind: its form; `rest`, `bare`, `query` and `word` end with their line at the latest.
        arg: column of a PEM block, indentation of YAML, backslashes and mark of a quote, or the
            kind of the name and the brackets that are open.
        left: lines that it may still take: a quote that is never closed must not hide the rest.
        mid: the next bytes go on in the middle of a line.
    """

    kind: str
    arg: int | str
    left: int
    mid: bool = False

    def to_json(self) -> list[Any]:
        """What is kept with a position."""
        return [self.kind, self.arg, self.left, self.mid]


def open_from_json(tree: Any) -> Open | None:
    """The reverse; None for nothing, and for what another version may have meant."""
    if not isinstance(tree, list) or [type(x) for x in tree] not in _FORMS:
        return None
    found = Open(*tree)
    form = _ARGS.get(found.kind)
    return found if form is not None and form.fullmatch(f"{found.arg!r}") else None


_FORMS: Final = [[str, kind, int, bool] for kind in (int, str)]
_ARGS: Final = {
    **{kind: re.compile(r"\d{1,9}") for kind in ("pem", "block", "items")},
    **{kind: re.compile("''") for kind in ("xml", "rest", "bare", "query", "word")},
    "quote": re.compile(r"""(['"])\d{1,2}(?:"|\\?')\1"""),
    "nest": re.compile(r"""(['"])[1-3][\[{(]{1,64}(?:\d{1,2}(?:"|\\?'))?\1"""),
}

_RECORD: Final = re.compile(
    rb"(?:\x1b\[[0-9;]*m)*[\[(<]?(?:\d{4}[-/.]\d\d[-/.]\d\d|\d\d[-/.:]\d\d[-/.:]\d{2,4}"
    rb"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ ,]"
    rb"|(?:time|ts|level|timestamp)=|\{\"\w{1,16}\":"
    rb"|(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\b)"
)
"""How most records begin: an open text ends there, for a program that shortens what it logs never
closes it. A PEM block goes on behind it."""

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=]+(?:\\[rn])?[\"',\\]*\s*")
_BASE64_WORD: Final = re.compile(rb"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{16,}\s*$")
_ITEM: Final = re.compile(rb"([ \t]*-[ \t]+)")
_AROUND: Final = b" \t\r\"'"
BARE: Final = re.compile(
    rb"(?:[^,\"'\]}\s;&\\<]++|;(?! ?[a-z_. -]{1,40}=|[\"'\r]|$)|&(?![\w.%\[\]-]{1,64}=|quot;)"
    rb"|\\++(?![\"'])|<(?!/))++"
)
QUERY: Final = re.compile(
    rb"(?:[^&#\s\"<>'\\%.:,)]++|[.:,)](?!\s|$)|%(?!(?:25)?2[26])|'(?![\s,;)\]}]|$)|\\(?!u0026|[\"'nrt]))++"
)
"""Values without quotes, in lower case: up to what cannot belong to them."""
_BEYOND: Final = {"bare": BARE, "query": QUERY, "word": re.compile(rb"[\w.~+/=$-]*+")}
_QUOTES: Final = re.compile(rb"(\\*)([\"'])")


def go_on(opened: Open, line: bytes, *, whole: bool) -> tuple[bytes, bytes, Open | None]:
    """Take one line (without newline), or the part of it that is there, while a secret is open.

    Returns what is shown of the part that belongs to the secret, the rest of the line, which is
    to be redacted as any other, and what is open behind it.
    """
    if opened.kind in {"rest", "bare", "query", "word"}:
        return _same_line(opened, line, whole=whole)
    if opened.kind == "pem":
        return _pem(opened, line, whole=whole)
    if not opened.mid and opened.kind != "block" and _RECORD.match(line):
        return b"", line, None
    after = _counted(opened, whole=whole)
    if opened.kind == "quote":
        end, closed = quoted_end(line, 0, *_mark(str(opened.arg)))
        return _hidden(line[:end]), line[end:], None if closed else after
    if opened.kind == "nest":
        spans, end, stack = masked_items(
            line, 0, str(opened.arg)[1:], Kind(int(str(opened.arg)[0])), whole=whole
        )
        shown = _shown(line[:end], spans)
        still = after and replace(after, arg=f"{str(opened.arg)[0]}{stack}")
        return shown, line[end:], still if stack else None
    if opened.kind == "xml":
        end = line.find(b"</")
        return (_hidden(line), b"", after) if end < 0 else (_hidden(line[:end]), line[end:], None)
    return _yaml(opened, line, after)


def _counted(opened: Open, *, whole: bool) -> Open | None:
    if not whole:
        return replace(opened, mid=True)
    return replace(opened, left=opened.left - 1, mid=False) if opened.left > 1 else None


def _hidden(text: bytes, around: bytes = b" \t\r") -> bytes:
    """`[REDACTED]` between the blanks of a text that has anything else."""
    inner = text.strip(around)
    if not inner or inner.startswith(PLACEHOLDER):
        return text
    start = text.find(inner)
    return text[:start] + PLACEHOLDER + text[start + len(inner) :]


def _shown(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    out, done = b"", 0
    for start, end in spans:
        out, done = out + text[done:start] + PLACEHOLDER, end
    return out + text[done:]


def _same_line(opened: Open, line: bytes, *, whole: bool) -> tuple[bytes, bytes, Open | None]:
    if opened.kind == "rest":
        return _hidden(line), b"", None if whole else opened
    found = _BEYOND[opened.kind].match(line.lower())
    end = found.end() if found else 0
    return _hidden(line[:end]), line[end:], opened if end == len(line) and not whole else None


def _pem(opened: Open, line: bytes, *, whole: bool) -> tuple[bytes, bytes, Open | None]:
    """Lines of base64 are hidden, behind whatever stands in front of each; others are not."""
    end = line.find(b"-----END")
    body, after = (line, _counted(opened, whole=whole)) if end < 0 else (line[:end], None)
    column = 0 if opened.mid else int(opened.arg)
    if _BASE64.fullmatch(body, column) or _BASE64.fullmatch(body.lstrip()):
        start = column if _BASE64.fullmatch(body, column) else len(body) - len(body.lstrip())
        return body[:start] + _hidden(body[start:]), line[len(body) :], after
    if word := _BASE64_WORD.search(body):
        return body[: word.start()] + _hidden(word[0]), line[len(body) :], after
    return b"", line, after


def _yaml(opened: Open, line: bytes, after: Open | None) -> tuple[bytes, bytes, Open | None]:
    indent = len(line) - len(line.lstrip(b" \t"))
    if opened.mid or (not line.strip() and opened.kind == "block"):
        return _hidden(line), b"", after
    if opened.kind == "block":
        return (_hidden(line), b"", after) if indent > int(opened.arg) else (b"", line, None)
    item = _ITEM.match(line)
    if item is None or indent < int(opened.arg):
        return b"", line, None
    head, value = line[: item.end(1)], line[item.end(1) :]
    if is_secret_value(Kind.MANY, value.strip(_AROUND).decode("latin-1")):
        return head + _hidden(value, _AROUND), b"", after
    return line, b"", after


def quoted_end(text: bytes, at: int, slashes: int, mark: bytes) -> tuple[int, bool]:
    """Where a quoted text that goes on at `at` ends, before its closing mark; whether it does.

    In JSON inside a JSON text a mark has one backslash (then three, seven): the closing one has as
    many as the opening one, those of the value have more, and fewer end what is around it.
    """
    found = _QUOTES.search(text, at)
    while found is not None:
        count, end = len(found[1]), found.end()
        if slashes:
            if count < slashes or (count == slashes and found[2] == mark):
                return found.start(), True
        elif found[2] == mark and count % 2 == 0:
            if mark == b"'" and text[end : end + 1] == mark:
                end += 1  # doubled: YAML and SQL write one so
            else:
                return end - 1, True
        found = _QUOTES.search(text, end)
    return len(text), False


_COLON: Final = re.compile(rb"[ \t]*+:")
_TOKEN: Final = re.compile(
    rb"(?P<open>[\[{(])|(?P<close>[\]})])|(?P<quote>\\*[\"'])|(?P<sep>[\s,:]+)"
    rb"|(?P<bare>(?:[^\s,:\[\]{}()\"'\\]|:(?!\s)|\\(?!\\*[\"']))+)|(?P<other>.)",
    re.DOTALL,
)


def masked_items(
    text: bytes, at: int, open_before: str, kind: Kind, *, whole: bool
) -> tuple[list[tuple[int, int]], int, str]:
    """The values of an array or object, from `at` on: spans, where it ends, brackets still open.

    Args:
        open_before: brackets that were open before, and the quote (its backslashes, its mark) in
            which a part of a line ended.
        whole: the line ends here, and with it a text in quotes.
    """
    spans: list[tuple[int, int]] = []
    brackets = open_before.rstrip("0123456789\"'")
    stack, quote = list(brackets), open_before[len(brackets) :]
    if quote:
        end, closed = quoted_end(text, at, *_mark(quote))
        spans += [(at, end)] if end > at else []
        if not closed:
            return spans, end, brackets if whole else open_before
        at, quote = end + int(quote[:-1]) + 1, ""
    while token := _TOKEN.match(text, at):
        what, at = token.lastgroup, token.end()
        if what == "open":
            stack.append(token[0].decode())
        elif what == "close":
            del stack[-1:]
        elif what in {"quote", "bare"}:
            start, end, at = _scalar(text, token)
            if what == "quote" and end == at:
                quote = f"{len(token[0]) - 1}{token[0][-1:].decode()}"
            named = stack[-1:] == ["{"] and _COLON.match(text, at)
            if not named and _is_one(kind, text[start:end]):
                spans.append((start, end))
        if not stack:
            break
    return spans, at, "".join(stack[-64:]) + ("" if whole or not stack else quote)


def _mark(quote: str) -> tuple[int, bytes]:
    return int(quote[:-1]), quote[-1:].encode()


def _scalar(text: bytes, token: re.Match[bytes]) -> tuple[int, int, int]:
    """Start and end of a value, and where to go on behind it."""
    if token.lastgroup == "bare":
        return token.start(), token.end(), token.end()
    mark = token[0]
    end, closed = quoted_end(text, token.end(), len(mark) - 1, mark[-1:])
    return token.end(), end, end + (len(mark) if closed else 0)


def _is_one(kind: Kind, value: bytes) -> bool:
    if value.startswith((PLACEHOLDER, b"REDACTED")):
        return False
    return is_secret_value(kind, value.decode("latin-1"))
