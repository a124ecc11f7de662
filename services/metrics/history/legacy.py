"""The original's history: files of JSON lines, a snapshot each. They are read, never changed."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

import orjson

MAX_LINE: Final = 8 << 20
SUFFIXES: Final = (".jsonl", ".jsonl.gz")


@dataclass(slots=True)
class Account:
    """What was found, and what became of it."""

    files: int = 0
    bytes: int = 0
    samples: int = 0
    skipped: int = 0
    """Lines that are no snapshot, or stand for a time that is there already."""


def find_files(directory: str) -> list[Path]:
    """By name, which in the original is by time; none when there is no such directory."""
    try:
        found = [path for path in Path(directory).iterdir() if path.name.endswith(SUFFIXES)]
        return sorted(path for path in found if path.is_file())
    except OSError:
        return []


def size_of(files: list[Path]) -> int:
    """Bytes on disk; of a file that vanished meanwhile none."""
    sizes = 0
    for path in files:
        try:
            sizes += path.stat().st_size
        except OSError:
            continue
    return sizes


def read_snapshots(
    files: list[Path], account: Account, since: float, until: float
) -> Iterator[dict[str, Any]]:
    """Snapshots between the two times (epoch seconds), each newer than the one before."""
    last = since
    for path in files:
        account.files += 1
        for line in _lines(path, account):
            snapshot = _parse(line)
            at = snapshot.get("timestamp", 0.0)
            if not last < at < until:
                account.skipped += 1
                continue
            last = at
            account.samples += 1
            yield snapshot


def _lines(path: Path, account: Account) -> Iterator[bytes]:
    try:
        with _open(path) as file:
            while line := file.readline(MAX_LINE):
                if line.strip():
                    yield line
    except (OSError, EOFError):
        account.skipped += 1  # the rest of it cannot be read


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _parse(line: bytes) -> dict[str, Any]:
    """{} for what is no snapshot."""
    try:
        tree = orjson.loads(line)
    except ValueError:
        return {}
    if not isinstance(tree, dict) or not isinstance(tree.get("system"), dict):
        return {}
    at = tree.get("timestamp")
    if isinstance(at, bool) or not isinstance(at, int | float):
        return {}
    return {**tree, "timestamp": float(at)}
