"""What is known of the copies: in memory, as entries of Redis, and in the original's file form.

An entry is `{"primary_id", "subordinates": {label: {"id", "status", "synced_at"}}}` as the
original writes it. What it has no place for stands beside that, in keys which it ignores:
`seasons`, `primary_ids` and `more` (further copies of the same title).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.models.seerr import failure_key


@dataclass(slots=True)
class Copy:
    """One request of a subordinate, and the requests of the primary that it stands for.

    `primaries` is empty where the original did not note it. `seasons` None: not known.
    """

    id: int
    status: int
    synced_at: str
    primaries: frozenset[int] = frozenset()
    seasons: frozenset[int] | None = None


@dataclass(slots=True)
class Failure:
    """Why a title is not as it should be at a subordinate. `transient`: it may pass by itself."""

    failed_at: str
    error: str
    media_type: str
    tmdb_id: int
    attempts: int = 1
    transient: bool = False

    def to_tree(self) -> dict[str, Any]:
        return {
            "failed_at": self.failed_at,
            "error": self.error,
            "media_type": self.media_type,
            "tmdb_id": self.tmdb_id,
            "attempts": self.attempts,
            "transient": self.transient,
        }

    @classmethod
    def from_tree(cls, tree: Any) -> "Failure | None":
        if not isinstance(tree, dict) or parse_time(tree.get("failed_at")) is None:
            return None
        return cls(
            failed_at=tree["failed_at"],
            error=str(tree.get("error", "")),
            media_type=str(tree.get("media_type") or ""),
            tmdb_id=_integer(tree.get("tmdb_id")) or 0,
            attempts=_integer(tree.get("attempts")) or 1,
            transient=tree.get("transient") is True,
        )


Copies = dict[str, dict[str, list[Copy]]]
"""Fingerprint to label to copies."""


@dataclass(slots=True)
class SyncState:
    """All of it. Times are ISO 8601, UTC, whole seconds."""

    copies: Copies = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    """By `<fingerprint>||<label>`."""
    last_poll: str = ""
    primary: str = ""
    """Whose requests these are; "" where it is not known."""

    def of(self, label: str, fingerprint: str) -> list[Copy]:
        return self.copies.get(fingerprint, {}).get(label, [])

    def failed(self, label: str) -> list[str]:
        """The fingerprints that failed at a subordinate."""
        end = failure_key("", label)
        return [key.removesuffix(end) for key in self.failures if key.endswith(end)]

    def put(self, label: str, fingerprint: str, copies: list[Copy]) -> None:
        """Replace what is known; without copies the entry goes."""
        by_label = self.copies.setdefault(fingerprint, {})
        if copies:
            by_label[label] = copies
        else:
            by_label.pop(label, None)
        if not by_label:
            del self.copies[fingerprint]

    def entry(self, fingerprint: str) -> dict[str, Any] | None:
        """The form of Redis and of the file; None when nothing is known."""
        by_label = self.copies.get(fingerprint)
        return _entry(by_label) if by_label else None

    def load_entry(self, fingerprint: str, tree: Any) -> None:
        """Take over an entry; what cannot be read is left out."""
        found = _copies(tree)
        if found:
            self.copies[fingerprint] = found

    def synced(self) -> dict[str, int]:
        """How many titles each subordinate has a copy of."""
        counts: dict[str, int] = {}
        for by_label in self.copies.values():
            for label in by_label:
                counts[label] = counts.get(label, 0) + 1
        return counts

    def rebase(self, primary: str) -> bool:
        """These requests are another primary's from now on: its ids mean nothing here."""
        moved = bool(self.primary) and self.primary != primary
        self.primary = primary
        if moved:
            for by_label in self.copies.values():
                for copy in (copy for copies in by_label.values() for copy in copies):
                    copy.primaries = frozenset()
        return moved

    def to_file(self) -> dict[str, Any]:
        """The original's file."""
        return {
            "last_poll_ts": self.last_poll or None,
            "requests": {fp: _entry(by_label) for fp, by_label in sorted(self.copies.items())},
            "failed": {key: f.to_tree() for key, f in sorted(self.failures.items())},
        }

    @classmethod
    def from_file(cls, tree: Any) -> "SyncState":
        """Whatever of it can be read; another type counts as empty."""
        state = cls()
        if not isinstance(tree, dict):
            return state
        last = tree.get("last_poll_ts")
        state.last_poll = str(last) if parse_time(last) is not None else ""
        for fingerprint, entry in _items(tree.get("requests")):
            state.load_entry(fingerprint, entry)
        for key, value in _items(tree.get("failed")):
            failure = Failure.from_tree(value)
            if failure is not None:
                state.failures[key] = failure
        return state


def iso(at: float) -> str:
    """Epoch seconds as `2026-01-29T21:32:46Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: Any) -> float | None:
    """The way back, in UTC whatever this machine's zone is; None for what is no time."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _entry(by_label: Mapping[str, list[Copy]]) -> dict[str, Any]:
    known = [p for copies in by_label.values() for copy in copies for p in copy.primaries]
    main = min(known) if known else None
    entry: dict[str, Any] = {} if main is None else {"primary_id": main}
    subordinates = {}
    for label, copies in by_label.items():
        first, *more = (_copy_tree(copy, main) for copy in copies)
        subordinates[label] = {**first, "more": more} if more else first
    entry["subordinates"] = subordinates
    return entry


def _copy_tree(copy: Copy, main: int | None) -> dict[str, Any]:
    tree: dict[str, Any] = {"id": copy.id, "status": copy.status, "synced_at": copy.synced_at}
    if copy.seasons is not None:
        tree["seasons"] = sorted(copy.seasons)
    if copy.primaries != ({main} if main is not None else frozenset()):
        tree["primary_ids"] = sorted(copy.primaries)
    return tree


def _copies(tree: Any) -> dict[str, list[Copy]]:
    if not isinstance(tree, dict):
        return {}
    main = _integer(tree.get("primary_id"))
    found = {}
    for label, first in _items(tree.get("subordinates")):
        if not isinstance(first, dict):
            continue
        more = first.get("more")
        parts = [first, *(more if isinstance(more, list) else [])]
        copies = [copy for part in parts if (copy := _copy(part, main)) is not None]
        if copies:
            found[label] = copies
    return found


def _copy(tree: Any, main: int | None) -> Copy | None:
    if not isinstance(tree, dict):
        return None
    number = _integer(tree.get("id"))
    if number is None:
        return None
    default = frozenset() if main is None else frozenset({main})
    primaries = tree.get("primary_ids")
    seasons = tree.get("seasons")
    return Copy(
        id=number,
        status=_integer(tree.get("status")) or 1,
        synced_at=str(tree.get("synced_at", "")),
        primaries=_integers(primaries) if isinstance(primaries, list) else default,
        seasons=_integers(seasons) if isinstance(seasons, list) else None,
    )


def _integers(items: list[Any]) -> frozenset[int]:
    return frozenset(n for item in items if (n := _integer(item)) is not None)


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _items(tree: Any) -> Iterable[tuple[str, Any]]:
    return tree.items() if isinstance(tree, dict) else ()
