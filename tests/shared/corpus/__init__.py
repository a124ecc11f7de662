"""Log lines as applications write them. In a `.log` file «...» marks what has to be hidden, ␛ is an
escape; `ordinary.templates` has lines without a secret. All keys and passwords are made up."""

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Sample:
    """One application's log: what it writes, and what is shown of it."""

    name: str
    raw: bytes
    expected: bytes
    marked: str


def samples() -> list[Sample]:
    """All of them, by name."""
    return [_read(path) for path in sorted(HERE.glob("*.log"))]


def _read(path: Path) -> Sample:
    marked = path.read_text("utf-8").replace("␛", "\x1b")
    raw = re.sub("[«»]", "", marked)
    expected = re.sub("«[^»]*»", "[REDACTED]", marked)
    return Sample(path.stem, raw.encode(), expected.encode(), marked)
