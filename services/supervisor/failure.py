"""Which line of a dead program's output says why it died. Pure."""

import re
from collections.abc import Sequence
from typing import Final

_ERROR_WORDS: Final = re.compile(
    r"\b(error|fatal|critical|exception|failed|failure|cannot|can't|denied|refused|not found"
    r"|no such|invalid|missing|unable|in use|panic)\b",
    re.IGNORECASE,
)
_STACK_LINE: Final = re.compile(r'^\s+(at |File "|\.\.\. )|^Traceback |^\s{4,}|^goroutine ')

MAX_CHARS: Final = 500
"""Contract lifecycle 2, step 8: a reason has at most so many characters."""


def best_line(out: Sequence[str], err: Sequence[str]) -> str:
    """The line to show: stderr before stdout, error words before others, the later the better."""
    best, best_score = "", -1.0
    for lines, bonus in ((out, 0.0), (err, 1.0)):
        for position, line in enumerate(lines):
            text = line.strip()
            if not text or _STACK_LINE.search(line):
                continue
            score = bonus + (2.0 if _ERROR_WORDS.search(text) else 0.0) + position / 1000
            if score >= best_score:
                best, best_score = text, score
    return best[:MAX_CHARS]


def describe_exit(code: int | None, signal_name: str) -> str:
    """`exit code 3`, `killed by SIGKILL`, or that nobody could tell."""
    if signal_name:
        return f"killed by {signal_name}"
    if code is None:
        return "exit code unknown: it ended while no supervisor was its parent"
    return f"exit code {code}"
