"""From spooled bytes to display lines: whole lines, redacted, formatted, appended, committed."""

import asyncio
import logging
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.supervisor.logstore import LogStore
from services.supervisor.spool import Spool
from shared.logformat import LineFormatter
from shared.redaction import REACH, Redactor

_log = logging.getLogger(__name__)

LINE_BYTES: Final = 1 << 20
"""A line longer than this is split, each part but the last with `CONTINUES` at its end. Where a
secret would be cut in two, the part ends before it."""

CONTINUES: Final = b" [line continues]"
_READ_BYTES: Final = 256 << 10
MAX_PIPE_BYTES: Final = 1 << 20
"""The most that waits in a FIFO: the kernel's default of `fs.pipe-max-size`."""

REDACTION: Final = "redaction"
"""Where a position says what is open in the redaction (`Redactor.state`); absent: nothing is."""

Split = Callable[[bytes, int], int]

_LAST_BYTES: Final = 16 << 10
"""How much of the last output is looked through for the reason of a failed start."""


@dataclass(frozen=True, slots=True)
class Run:
    """Whole lines; or the part of a line that is too long, without a newline: `goes_on`."""

    data: bytes
    goes_on: bool = False


class LineReader:
    """Cuts one spool into runs of whole lines and knows how far they reach."""

    def __init__(self, spool: Spool, position: tuple[int, int]) -> None:
        self._spool = spool
        self._segment, self._offset = position
        self._partial = b""
        self._pieces: deque[tuple[int, int, int]] = deque()
        """Where `_partial` was read: segments, offsets, sizes."""
        self.position = position
        """Segment and offset behind the last byte that was handed out."""

    def take(self, split: Split) -> Run | None:
        """The next run, None when there is none yet. Raises `OSError`.

        Args:
            split: where a line is cut that is longer than a limit (`Redactor.split`).
        """
        run = self._next_run(split)
        while run is None and (block := self._next_block()):
            self._partial += block
            run = self._next_run(split)
        return run

    @property
    def partial(self) -> bytes:
        """The end of a line that has no newline yet."""
        return self._partial

    def rest(self, split: Split) -> Run | None:
        """What is left without a newline, as a line; None when nothing is."""
        if len(self._partial) > LINE_BYTES:
            return self._part(self._partial, split)
        return self._hand_out(len(self._partial)) if self._partial else None

    def _next_run(self, split: Split) -> Run | None:
        # Not one byte more: whether a line is too long must not depend on what came with it.
        if cut := self._partial.rfind(b"\n", 0, LINE_BYTES + 1) + 1:
            return self._hand_out(cut)
        if len(self._partial) < LINE_BYTES + REACH:
            return None
        return self._part(self._partial[: LINE_BYTES + REACH].partition(b"\n")[0], split)

    def _part(self, line: bytes, split: Split) -> Run:
        return Run(self._hand_out(split(line, LINE_BYTES)).data, goes_on=True)

    def _hand_out(self, size: int) -> Run:
        data, self._partial = self._partial[:size], self._partial[size:]
        while size:
            segment, offset, length = self._pieces.popleft()
            taken = min(size, length)
            if taken < length:
                self._pieces.appendleft((segment, offset + taken, length - taken))
            self.position = (segment, offset + taken)
            size -= taken
        return Run(data)

    def _next_block(self) -> bytes:
        limit = min(_READ_BYTES, LINE_BYTES + REACH - len(self._partial))
        while True:
            block = self._spool.read(self._segment, self._offset, limit)
            if block:
                self._pieces.append((self._segment, self._offset, len(block)))
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
        states = known.get(REDACTION)
        states = states if isinstance(states, dict) else {}
        self._redactors = {name: Redactor(states.get(name)) for name in self._spools}
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
            while run := reader.take(self._redactors[name].split):
                self._emit(name, run)
        except OSError as error:
            _log.error("cannot read the spool %s: %s", self._directory, error)

    def _emit(self, name: str, run: Run) -> None:
        redactor = self._redactors[name]
        if run.goes_on:
            clean = redactor.part(run.data) + CONTINUES + b"\n"
        else:
            clean = redactor.lines(run.data)
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
        source: dict[str, Any] = {
            "generation": self._generation,
            **{name: reader.position for name, reader in self._readers.items()},
        }
        if states := {name: r.state for name, r in self._redactors.items() if r.state}:
            source[REDACTION] = states
        return source

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
            while rest := reader.rest(self._redactors[name].split):
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
            (self._last[name] + self._unfinished(name)).decode("utf-8", "replace")
            for name in ("out", "err")
        )
        return out.splitlines()[-50:], err.splitlines()[-50:]

    def _unfinished(self, name: str) -> bytes:
        """The end of a line without a newline, redacted as if it had one."""
        redactor = Redactor(self._redactors[name].state)
        return redactor.lines(self._readers[name].partial)[-_LAST_BYTES:]


def _position(known: Any, spool: Spool) -> tuple[int, int]:
    """Where to read on: as committed, else at the oldest byte that is spooled."""
    if isinstance(known, list | tuple) and len(known) == 2:
        return int(known[0]), int(known[1])
    return spool.oldest(), 0
