"""The last versions of the configuration, one file each, and which of them the file on disk is.

A version is written down before the configuration file is replaced, as `<n>.pending`, and renamed
to `<n>.json` after it. So whatever moment a kill hits, the number follows from what the file holds:
a pending version that the file does not hold was never announced, and its number is free.
Blocking: call it in a thread.
"""

import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson

from services.supervisor.config_state import ConfigState, Tree
from shared.config.masking import masked_below
from shared.config.pages import Config, config_of
from shared.config.trees import MISSING, differences

_log = logging.getLogger(__name__)

KEPT: Final = 20
MAX_CHANGES: Final = 200
MAX_VALUE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Record:
    """One version. `at` in epoch seconds; `tree` is what was live; `changes` hold no secrets."""

    version: int
    at: float
    actor: str
    source: str
    note: str
    persisted: bool
    digest: str
    file_digest: str
    command_id: str = ""
    changes: list[dict[str, Any]] = field(default_factory=list)
    tree: Config = field(default_factory=lambda: Config({}), repr=False)

    def summary(self) -> dict[str, Any]:
        """Everything but the tree: what readers see."""
        shown = asdict(self)
        for hidden in ("tree", "digest", "file_digest", "command_id"):
            del shown[hidden]
        return shown


def changes_of(before: Tree, after: Tree) -> list[dict[str, Any]]:
    """What is different, masked and cut to a size that is worth showing."""
    found: list[dict[str, Any]] = []
    for path, old, new in differences(before, after):
        if len(found) == MAX_CHANGES:
            found.append({"path": [], "more": True})
            break
        entry: dict[str, Any] = {"path": list(path)}
        for name, value in (("before", old), ("after", new)):
            if value is not MISSING:
                entry[name] = _shown(path, value)
        found.append(entry)
    return found


def _shown(path: tuple[str, ...], value: Any) -> Any:
    value = masked_below(path, value)
    if len(orjson.dumps(value)) > MAX_VALUE_BYTES:
        return "(too long to show)"
    return value


class History:
    """The directory of versions."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.records: list[Record] = []
        """By version, the newest last."""

    @property
    def version(self) -> int:
        """The newest one, 0 before the first."""
        return self.records[-1].version if self.records else 0

    def load(self, state: ConfigState | None) -> None:
        """Read what is there. `state`: what the configuration file holds, None when unusable."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.records = self._read_all("*.json")
        for record in self._read_all("*.pending"):
            if state is not None and record.file_digest == state.file_digest:
                self.confirm(record)  # killed between the file and the confirmation
            else:
                self.withdraw(record)

    def add(self, record: Record) -> None:
        """Write down a version that needs no other file. Raises `OSError`."""
        self._write(record, self._path(record, "json"))
        self._remember(record)

    def note(self, record: Record) -> None:
        """The same for a version that is so already: on a full disk it is kept in memory."""
        try:
            self.add(record)
        except OSError as error:
            _log.error("version %d of the configuration is not kept: %s", record.version, error)
            self._remember(record)

    def prepare(self, record: Record) -> None:
        """Write down a version that is about to be made. Raises `OSError`."""
        self._write(record, self._path(record, "pending"))

    def confirm(self, record: Record) -> None:
        """The file holds it."""
        with suppress(OSError):
            self._path(record, "pending").rename(self._path(record, "json"))
        self._remember(record)

    def withdraw(self, record: Record) -> None:
        """The file does not hold it."""
        self._path(record, "pending").unlink(missing_ok=True)

    def find(self, version: int) -> Record | None:
        """The record of a version that is kept."""
        return next((record for record in self.records if record.version == version), None)

    def made_by(self, command_id: str) -> Record | None:
        """The version that a command made, if it is kept."""
        if not command_id:  # nobody's command
            return None
        return next((r for r in reversed(self.records) if r.command_id == command_id), None)

    def _remember(self, record: Record) -> None:
        self.records = sorted([*self.records, record], key=lambda known: known.version)
        for old in self.records[:-KEPT]:
            self._path(old, "json").unlink(missing_ok=True)
        self.records = self.records[-KEPT:]

    def _path(self, record: Record, suffix: str) -> Path:
        return self._directory / f"{record.version:012d}.{suffix}"

    def _write(self, record: Record, path: Path) -> None:
        temporary = path.with_suffix(".new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(orjson.dumps(record))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)

    def _read_all(self, pattern: str) -> list[Record]:
        found = []
        for path in sorted(self._directory.glob(pattern)):
            try:
                record = Record(**orjson.loads(path.read_bytes()))
                found.append(replace(record, tree=config_of(record.tree)))
            except (OSError, ValueError, TypeError, AttributeError) as error:
                _log.warning("%s is no version of the configuration: %s", path, error)
        return found
