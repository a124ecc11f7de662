"""From spooled bytes to display lines: whole lines, redacted, formatted, appended, committed."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from services.supervisor.logstore import LogStore
from services.supervisor.spool import Spool
from shared.logformat import LineFormatter
from shared.redaction import redact

_log = logging.getLogger(__name__)

LINE_BYTES: Final = 1 << 20
"""A line longer than this is split, each part but the last with `CONTINUES` at its end."""

CONTINUES: Final = b" [line continues]"
_READ_BYTES: Final = 256 << 10
MAX_PIPE_BYTES: Final = 1 << 20
"""The most that waits in a FIFO: the kernel's default of `fs.pipe-max-size`."""

_LAST_BYTES: Final = 16 << 10
"""How much of the last output is looked through for the reason of a failed start."""


class LineReader:
    """Cuts one spool into runs of whole lines and knows how far they reach."""

    def __init__(self, spool: Spool, position: tuple[int, int]) -> None:
        self._spool = spool
        self._segment, self._offset = position
        self._partial = b""
        self.position = position
        """Segment and offset behind the last byte that was handed out."""

    def take(self) -> bytes:
        """The next run of whole lines, b"" when there is none yet. Raises `OSError`."""
        while block := self._next_block():
            cut = block.rfind(b"\n") + 1
            end = self._offset
            if cut:
                lines = self._partial + block[:cut] if self._partial else block[:cut]
                self._partial = block[cut:]
                self.position = (self._segment, end - len(self._partial))
                return lines
            self._partial += block
            if len(self._partial) >= LINE_BYTES:
                return self._flush(CONTINUES)
        return b""

    @property
    def partial(self) -> bytes:
        """The end of a line that has no newline yet."""
        return self._partial[-_LAST_BYTES:]

    def rest(self) -> bytes:
        """What is left without a newline, as a line; b"" when nothing is."""
        return self._flush(b"") if self._partial else b""

    def _flush(self, mark: bytes) -> bytes:
        line, self._partial = self._partial + mark + b"\n", b""
        self.position = (self._segment, self._offset)
        return line

    def _next_block(self) -> bytes:
        limit = min(_READ_BYTES, LINE_BYTES - len(self._partial))
        while True:
            block = self._spool.read(self._segment, self._offset, limit)
            if block:
                self._offset += len(block)
                return block
            if self._segment >= self._spool.segment:
                return b""
            self._segment, self._offset = self._segment + 1, 0


class Capture:
    """The output of one generation of a service, on its way into the service's log."""

    def __init__(
        self,
        directory: Path,
        generation: int,
        store: LogStore,
        formatter: LineFormatter,
        appended: Callable[[], None],
    ) -> None:
        """Open or reopen the FIFOs. Raises `OSError`."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._generation = generation
        self._store = store
        self._formatter = formatter
        self._appended = appended
        known = store.source if store.source.get("generation") == generation else {}
        self._spools = {name: Spool(directory, name) for name in ("out", "err")}
        self._readers = {
            name: LineReader(spool, _position(known.get(name), spool))
            for name, spool in self._spools.items()
        }
        self._last: dict[str, bytes] = {"out": b"", "err": b""}
        self._watching = False
        self._closed = False

    # -- the child's side ------------------------------------------------------------------

    def writers(self, uid: int | None, gid: int | None) -> tuple[int, int]:
        """Descriptors for the child's stdout and stderr; the caller closes them."""
        for spool in self._spools.values():
            if uid is not None or gid is not None:
                spool.own(-1 if uid is None else uid, -1 if gid is None else gid)
        return self._spools["out"].writer(), self._spools["err"].writer()

    # -- following -------------------------------------------------------------------------

    def follow(self) -> None:
        """Capture whenever output arrives. What waits already is taken by the first event."""
        if self._watching or self._closed:
            return
        self._watching = True
        loop = asyncio.get_running_loop()
        for name, spool in self._spools.items():
            loop.add_reader(spool.fd, self._pump, name)

    def pause(self) -> None:
        """Leave output in the FIFO until `follow` is called again."""
        if not self._watching:
            return
        self._watching = False
        loop = asyncio.get_running_loop()
        for spool in self._spools.values():
            loop.remove_reader(spool.fd)

    def _pump(self, name: str) -> int:
        moved = self._fill(name)
        self._consume(name)
        return moved

    def _fill(self, name: str) -> int:
        spool = self._spools[name]
        try:
            return spool.fill()
        except OSError as error:
            taken, lost = spool.discard()
            if lost and self._store.dropped == 0:
                _log.error("cannot spool %s: %s", self._directory, error.strerror)
            self._store.dropped += lost
            return taken

    def _consume(self, name: str) -> None:
        reader = self._readers[name]
        try:
            while lines := reader.take():
                self._emit(name, lines)
        except OSError as error:
            _log.error("cannot read the spool %s: %s", self._directory, error)

    def _emit(self, name: str, lines: bytes) -> None:
        clean = redact(lines)
        self._last[name] = (clean if len(clean) > _LAST_BYTES else self._last[name] + clean)[
            -_LAST_BYTES:
        ]
        display = self._formatter.format(clean, stderr=name == "err")
        if lost := self._store.dropped:
            self._store.dropped = 0
            mark = f"WARNING {lost} lines of output were lost: the disk refused them\n"
            display = self._formatter.format(mark.encode()) + display
        self._store.append(display, self._source())
        if lost and self._store.dropped:
            self._store.dropped += lost - 1  # the mark itself was none of them
        else:
            self._store.lost += lost
        reader = self._readers[name]
        if reader.position[0] > 0:
            self._spools[name].drop_before(reader.position[0])
        self._appended()

    def _source(self) -> Mapping[str, Any]:
        return {
            "generation": self._generation,
            **{name: reader.position for name, reader in self._readers.items()},
        }

    # -- the end ---------------------------------------------------------------------------

    def drain(self) -> None:
        """Take everything that is in the FIFOs now; not for ever, if somebody still writes."""
        for name in self._spools:
            taken = 0
            while taken < MAX_PIPE_BYTES and (moved := self._pump(name)):
                taken += moved

    def finish(self) -> None:
        """No process writes any more: take the rest, the last line too, and remove the files."""
        if self._closed:
            return
        self.drain()
        for name, reader in self._readers.items():
            if rest := reader.rest():
                self._emit(name, rest)
        self.detach()
        shutil.rmtree(self._directory, ignore_errors=True)

    def detach(self) -> None:
        """Let go and leave everything for a successor."""
        if self._closed:
            return
        self.pause()
        self._closed = True
        for spool in self._spools.values():
            spool.close()

    def last_lines(self) -> tuple[list[str], list[str]]:
        """The last redacted lines of stdout and stderr, for the reason of a failed start."""
        out, err = (
            (self._last[name] + redact(self._readers[name].partial)).decode("utf-8", "replace")
            for name in ("out", "err")
        )
        return out.splitlines()[-50:], err.splitlines()[-50:]


def _position(known: Any, spool: Spool) -> tuple[int, int]:
    """Where to read on: as committed, else at the oldest byte that is spooled."""
    if isinstance(known, list | tuple) and len(known) == 2:
        return int(known[0]), int(known[1])
    return spool.oldest(), 0
