"""The journal: what a supervisor must still know after it was killed.

One file of JSON lines, appended to, written anew at each start and when it grows. A record that
was cut by a crash is the last one and is dropped. `write` is enough against a kill (the page
cache survives us); `sync` is for what must also survive the host (docs/protocol.md, "Exactly
once in effect").
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from services.supervisor.records import Intent, Memory, Outcome
from shared.errors import DumbError

_log = logging.getLogger(__name__)

COMPACT_BYTES: Final = 8 << 20
"""A journal larger than this, and than twice what it was after the last rewrite, is rewritten."""

RESERVE_BYTES: Final = 64 << 10
"""Room on the disk that the file holds in advance. A command that finds less than half of it is
refused: on a full disk, a restart must not stop what it could not start again."""


class JournalError(DumbError):
    """The journal cannot be written, so nothing may be changed."""

    code = "journal"


class Journal:
    """The file and its memory. One writer: the supervisor that holds the lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.memory = _load(path)
        self.memory.expire(time.time())
        self._fd = -1
        self._size = self._room = 0
        self._compacted = 0
        self._broken = False
        self._syncing: asyncio.Future[None] | None = None
        try:
            self._rewrite()
        except JournalError as error:
            if not path.exists():
                raise
            # A full disk: the old file serves, and whatever must be on the disk tries again.
            _log.error("%s", error)
            self._broken = True

    # -- records ---------------------------------------------------------------------------

    def begin_run(self, boot_id: str) -> None:
        """This supervisor is in charge; without `end_run` its successor recovers."""
        self._remember({"k": "run", "boot_id": boot_id, "clean": False})

    def end_run(self) -> None:
        """A clean shutdown: everything was stopped."""
        self._remember({"k": "run", "boot_id": self.memory.boot_id, "clean": True})
        with contextlib.suppress(OSError):  # a full disk was told of already
            os.fdatasync(self._fd)

    def service(
        self,
        name: str,
        state: dict[str, Any],
        process: dict[str, Any] | None,
        attempts: Sequence[float] = (),
    ) -> None:
        """A service's state. A full disk is no reason to stop supervising."""
        record: dict[str, Any] = {"k": "service", "name": name, "state": state, "process": process}
        if attempts:
            record["attempts"] = list(attempts)
        self._remember(record)

    def slot(self, name: str, at: float) -> None:
        """The schedule of a service was seen to until then. A full disk is told of elsewhere."""
        self._remember({"k": "slot", "name": name, "at": at})

    def forget(self, name: str) -> None:
        """A service left the configuration. A full disk is no reason to keep it."""
        self._remember({"k": "forget", "name": name})

    def intent(self, intent: Intent) -> None:
        """A command is about to be carried out. Raises `JournalError`."""
        self._make_room()
        self._append(intent.record())

    def outcome(self, outcome: Outcome) -> None:
        """A command ended. Kept in memory even when the disk is full."""
        self._remember(outcome.record())

    # -- writing ---------------------------------------------------------------------------

    def _remember(self, record: dict[str, Any]) -> None:
        """Append what happened already: a rewrite makes up for a disk that refuses now."""
        try:
            self._append(record)
        except JournalError as error:
            self.memory.apply(record)
            _log.error("%s", error)

    def _make_room(self) -> None:
        """See `RESERVE_BYTES`. Raises `JournalError`."""
        if self._broken:
            self._rewrite()
        if self._room - self._size < RESERVE_BYTES // 2:
            try:
                os.posix_fallocate(self._fd, self._size, RESERVE_BYTES)
            except OSError as error:
                raise self._refused(error) from error
            self._room = self._size + RESERVE_BYTES

    def _append(self, record: dict[str, Any]) -> None:
        if self._broken or self._size > max(COMPACT_BYTES, 2 * self._compacted):
            self._rewrite()
        line = orjson.dumps(record) + b"\n"
        try:
            written = os.pwrite(self._fd, line, self._size)
        except OSError as error:
            self._broken = True
            raise self._refused(error) from error
        if written != len(line):
            self._broken = True
            raise JournalError(f"Cannot write the journal {self._path}: the disk is full.")
        self._size += written
        self.memory.apply(record)

    def _refused(self, error: OSError) -> JournalError:
        return JournalError(f"Cannot write the journal {self._path}: {error.strerror}.")

    def _rewrite(self) -> None:
        """Write a fresh file beside the old one and rename it over: old or new, never half."""
        self.memory.expire(time.time())
        data = b"".join(orjson.dumps(record) + b"\n" for record in self.memory.records())
        temporary = self._path.with_suffix(".new")
        try:
            fd = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                written = os.pwrite(fd, data, 0)
                if written != len(data):
                    raise OSError(28, "No space left on device")  # noqa: TRY301
                os.posix_fallocate(fd, len(data), RESERVE_BYTES)
                os.fdatasync(fd)
                temporary.rename(self._path)
                _sync_directory(self._path.parent)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            with contextlib.suppress(OSError):  # what it holds of a full disk helps nobody
                temporary.unlink()
            raise self._refused(error) from error
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._size = self._compacted = len(data)
        self._room = len(data) + RESERVE_BYTES
        self._broken = False

    async def sync(self) -> None:
        """Return when everything written before this call is on the disk.

        Calls that come while a sync runs share the next one, so fifty commands at once cost two.

        Raises:
            JournalError: the disk refuses.
        """
        if self._broken:
            self._rewrite()  # what is remembered is more than the file says
            return
        running = self._syncing
        if running is not None and not running.done():
            await asyncio.wait({running})
        if self._syncing is running:
            loop = asyncio.get_running_loop()
            self._syncing = loop.run_in_executor(None, self._fdatasync, os.dup(self._fd))
            self._syncing.add_done_callback(_retrieved)
        if self._syncing is not None:
            await asyncio.shield(self._syncing)

    def _fdatasync(self, fd: int) -> None:
        try:
            os.fdatasync(fd)
        except OSError as error:
            raise self._refused(error) from error
        finally:
            os.close(fd)

    def close(self) -> None:
        """Close the file; the memory stays readable."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)  # the reserve is not needed any more
            os.close(self._fd)
            self._fd = -1


def _retrieved(future: "asyncio.Future[None]") -> None:
    """Everyone who waited may have been cancelled: an error is then nobody's news."""
    if not future.cancelled():
        future.exception()


def _sync_directory(directory: Path) -> None:
    """Make a rename survive the host too. Raises `OSError`."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _load(path: Path) -> Memory:
    memory = Memory()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return memory
    for number, line in enumerate(data.rstrip(b"\0").split(b"\n"), 1):
        if not line:
            continue
        try:
            memory.apply(orjson.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            # The last line of a killed writer may be cut; anything else is worth a warning.
            _log.warning("%s:%d: skipped a damaged record (%s)", path, number, error)
    return memory
