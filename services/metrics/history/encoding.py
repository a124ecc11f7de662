"""A snapshot as rows of the history, and the dictionary that makes them small."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from shared.bus.metrics import Blob, HistoryRow, SnapshotRow
from shared.metrics.packing import make_dictionary, pack
from shared.metrics.points import compact_of, point_of

RENEW_S: Final = 3600.0
"""A dictionary stays in memory as long as rows need it, so a new one comes at most once an hour."""
WORSE: Final = 1.3
"""Rows that became so much longer than the first ones ask for a new dictionary."""
FIRST_AFTER_ROWS: Final = 12
"""The services of the first moments are still starting: the first dictionary waits so long."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """`id` is its time in epoch milliseconds; "" is the empty one."""

    id: str = ""
    data: bytes = b""


NO_DICTIONARY: Final = Dictionary()


@dataclass(frozen=True, slots=True)
class Row:
    """One sample in both forms, not yet written; `snapshot` may be lost already."""

    history: HistoryRow
    snapshot: SnapshotRow | None
    dictionary: Dictionary = NO_DICTIONARY


class Encoder:
    """Packs rows. Not for two threads at once."""

    def __init__(self) -> None:
        self.dictionary = NO_DICTIONARY
        self._made_at = float("-inf")
        self._rows = 0
        self._length = 0.0
        """Of the first row under this dictionary, as a share of its raw size."""

    def adopt(self, dictionary: Dictionary) -> None:
        """Go on with one of before."""
        self.dictionary = dictionary
        self._made_at = time.monotonic()
        self._length = 0.0

    def encode(self, row_id: int, snapshot: Mapping[str, Any]) -> Row:
        """A row. Its dictionary has to be in Redis before it."""
        whole, compact = orjson.dumps(snapshot), orjson.dumps(compact_of(snapshot))
        self._rows += 1
        used = self.dictionary
        full = _blob(whole, used)
        share = len(full.data) / len(whole)
        self._length = self._length or share
        if self._due(share):
            data = make_dictionary(whole, compact)
            self.adopt(Dictionary(str(row_id), data))
        point = orjson.dumps(point_of(snapshot))
        history = HistoryRow(row_id, point, _blob(compact, used))
        return Row(history, SnapshotRow(row_id, full), used)

    def _due(self, share: float) -> bool:
        if not self.dictionary.data:
            return self._rows >= FIRST_AFTER_ROWS
        worse = share > self._length * WORSE
        return worse and time.monotonic() - self._made_at > RENEW_S


def _blob(data: bytes, dictionary: Dictionary) -> Blob:
    return Blob(pack(data, dictionary.data), dictionary.id, len(data))
