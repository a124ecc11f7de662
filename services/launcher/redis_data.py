"""Which of the servers here can read what the last private Redis left on the disk.

Redis and Valkey read older data and refuse newer or each other's: Redis 7.0 takes the file of a
Valkey 9 for a damaged one, and advises a repair that would empty it; Redis 6.2 does not even look
into the directory that its successors write, and starts empty. So the server is chosen for the
data: `chosen_server`.
"""

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.launcher.redis_binary import Server
from shared.errors import DumbError

MANIFEST: Final = Path("appendonlydir", "appendonly.aof.manifest")
"""Since Redis 7.0 the append-only file is a directory of files, which this one lists."""

SINGLE_FILE: Final = "appendonly.aof"
"""Up to Redis 6.2."""

HEADER: Final = re.compile(rb"(REDIS|VALKEY)(\d+)")
"""What an RDB file begins with: the magic word and the version of the format."""

HEADER_BYTES: Final = 9
EMPTY: Final = b"\xff" + bytes(8)
"""What follows the header of an RDB file without keys: end of file, and no checksum."""

REFUSALS: Final = (
    b"Can't handle RDB format version",  # a newer format of the same family
    b"Wrong signature",  # Redis about a file of Valkey 9 or later
    b"rdb-version-check relaxed",  # Valkey about a newer file of either family
)
"""What `redis-check-rdb` and `valkey-check-rdb` say about a file that the server does not load."""

CHECK_S: Final = 10.0


class UnreadableDataError(DumbError):
    """No server here can read the data that is there; nothing was changed."""

    code = "redis_data"


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in a private Redis' directory.

    `several_files`: in the form of Redis 7.0 and later. `header`: of the RDB file that it begins
    with, `b""` when it consists of commands alone, which every server reads.
    """

    several_files: bool
    header: bytes

    def __str__(self) -> str:
        header = HEADER.fullmatch(self.header)
        if header is None:
            return "an append-only file" + (" of Redis 7.0 or later" if self.several_files else "")
        return f"{header[1].decode().title()}, RDB format {int(header[2])}"


def stored_in(directory: Path) -> Stored | None:
    """What the last server left in `directory`; None when nothing is there.

    Raises:
        OSError: it cannot be read.
    """
    manifest = directory / MANIFEST
    if manifest.exists():
        # A line of it: `file appendonly.aof.1.base.rdb seq 1 type b`; `b` is the base.
        text = manifest.read_text(encoding="utf-8", errors="replace")
        base = re.search(r'^file "?(.+?)"? seq \d+ type b\b', text, re.MULTILINE)
        return Stored(True, _header(manifest.parent / base[1]) if base else b"")
    single = directory / SINGLE_FILE
    return Stored(False, _header(single)) if single.exists() else None


def _header(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except FileNotFoundError:  # the server says more about it than we could
        return b""
    return start if HEADER.fullmatch(start) else b""


def chosen_server(directory: Path, servers: Sequence[Server]) -> tuple[Server, str]:
    """The first that can read what `directory` holds, and a sentence when it is not the first.

    Raises:
        OSError: the directory cannot be read.
        UnreadableDataError: none can; the sentence says what to do.
    """
    stored = stored_in(directory)
    refused: list[str] = []
    for server in servers:
        if stored is None or can_read(server, stored):
            if not refused:
                return server, ""
            return server, (
                f"{' and '.join(refused)} cannot read the data in {directory} ({stored}), "
                f"so {server} is used."
            )
        refused.append(str(server))
    raise UnreadableDataError(
        f"The data in {directory} ({stored}) cannot be read by {' or '.join(refused)}; nothing was "
        "changed. Install the server that wrote it (or a newer one of the same family). "
        f"Or start with an empty one: `mv {directory} {directory}.old`; logins, history of "
        "metrics, audit entries and jobs are lost with it, services, configuration and logs are "
        "not."
    )


def can_read(server: Server, stored: Stored) -> bool:
    """Whether it loads such data. The server's own check decides, on an empty file of that format.

    A program that does not know that check is believed to read everything, as the first one was.
    """
    if stored.several_files and server.version < (7, 0):
        return False
    if not stored.header:
        return True
    with tempfile.NamedTemporaryFile(prefix="dumb-", suffix=".rdb") as sample:
        sample.write(stored.header + EMPTY)
        sample.flush()
        try:
            # The server is that tool when it is called by its name.
            done = subprocess.run(
                ["redis-check-rdb", sample.name],  # noqa: S607 - `executable` is what runs
                executable=server.path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=CHECK_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return True
    said = done.stdout + done.stderr
    return not any(refusal in said for refusal in REFUSALS)
