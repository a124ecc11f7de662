"""What the programs of the fault tests left behind, and what /proc says about them."""

import re
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import orjson
from redis import Redis
from redis.exceptions import ConnectionError, RedisError, TimeoutError  # noqa: A004

from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

PROGRAM: Final = Path(__file__).resolve().parents[1] / "programs" / "fault_child.py"
MARKER: Final = "DUMB_FAULT_MARKER"
WINDOW: Final = 12_000
"""So many lines a writer may be ahead of its reader: less than Redis keeps of a log."""

RATE: Final = 40_000
"""Lines per second that a writer gets on average, so that a long test stays small on disk."""

_LINE: Final = re.compile(rb" subprocess: (\d{9}) x* (\d{9})$")
_LAST: Final = re.compile(rb" subprocess: last (\d{9})\n")


def block(directory: Path, name: str, mode: str, **extra: Any) -> dict[str, Any]:
    """The configuration block of a service that runs `fault_child.py`."""
    return {
        "enabled": False,
        "process_name": name,
        "command": [sys.executable, "-I", "-S", str(PROGRAM), mode, str(directory), name],
        "env": {MARKER: f"{directory}:{name}"},
        "start_window": 0.05,
        "stop_attempts": 1,
        "stop_wait": 0.4,
        **extra,
    }


def starts(directory: Path, name: str) -> list[tuple[int, str]]:
    """Pid and instance of each start that the program noted."""
    return _noted(directory / f"{name}.starts")


def carry_out(
    supervisor: SupervisorProcess, directory: Path, action: str, name: str, **fields: str
) -> dict[str, str]:
    """Run a command that must succeed; its receipt. Returns once the program noted its start:
    a service without a port is called ready before that, and could be stopped before it, too."""
    receipt = supervisor.run(action, name, **fields)
    assert receipt["status"] == "succeeded", receipt
    if action != "stop":
        wait_noted(supervisor, directory, name)
    return receipt


def wait_noted(supervisor: SupervisorProcess, directory: Path, name: str) -> None:
    """Wait until the process that runs now noted its start."""
    pid = supervisor.service(name)["pid"]
    wait_until_sync(
        lambda: pid in {str(noted) for noted, _ in starts(directory, name)},
        what=f"{name} (pid {pid}) to note its start",
    )


def doubles(directory: Path) -> list[str]:
    """Every start that found another copy of its service alive."""
    return [f"{p.stem}: {_noted(p)}" for p in directory.glob("*.doubles")]


def _noted(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return []
    return [(int(pid), instance) for pid, instance in (line.split(" ") for line in lines)]


def living(directory: Path, name: str) -> list[int]:
    """Every live process that carries the service's marker in its environment."""
    wanted = f"{MARKER}={directory}:{name}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if wanted not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            state = (entry / "stat").read_bytes().rsplit(b") ", 1)[1][:1]
        except OSError:
            continue
        if state not in {b"Z", b"X"}:
            found.append(int(entry.name))
    return found


def check_numbers(data: bytes, what: str) -> int:
    """The last number of display lines that must be 1, 2, 3 … and nothing else."""
    expected = 1
    for line in data.split(b"\n")[:-1]:
        match = _LINE.search(line)
        if match is None:
            assert _LAST.search(line + b"\n"), f"{what}: a torn line after {expected - 1}: {line!r}"
            continue
        first, second = match.groups()
        assert first == second, f"{what}: two lines in one: {line!r}"
        assert int(first) == expected, f"{what}: {expected} expected, got {line!r}"
        expected += 1
    return expected - 1


def on_disk(home: Path, name: str) -> bytes:
    """A log as it lies on disk, rotated files first."""
    logs = home / "log"
    rotated = sorted(
        (path for path in logs.glob(f"{name}.log.*")), key=lambda path: -int(path.suffix[1:])
    )
    return b"".join(path.read_bytes() for path in [*rotated, logs / f"{name}.log"])


def journal_records(home: Path) -> list[dict[str, Any]]:
    """Every readable record of the journal."""
    found = []
    for line in (home / "run" / "journal.jsonl").read_bytes().splitlines():
        try:
            found.append(orjson.loads(line))
        except ValueError:
            continue
    return found


class Follower(threading.Thread):
    """Reads logs from Redis by byte cursor, as `GET /logs` does, and lets their writers go on.

    Anything but the next byte of the same generation is a fault, kept in `faults`.
    """

    def __init__(self, url: str, directory: Path, names: list[str]) -> None:
        super().__init__(daemon=True)
        self._redis = Redis.from_url(url, protocol=2)
        self._directory = directory
        self._began = time.monotonic()
        self.data: dict[str, bytearray] = {name: bytearray() for name in names}
        self.generation: dict[str, bytes] = {}
        self.faults: list[str] = []
        self._lines = dict.fromkeys(names, 0)
        self._ended = threading.Event()
        for name in names:
            self._grant(name)

    def run(self) -> None:
        """Until `end`, or the first fault."""
        while not self._ended.is_set() and not self.faults:
            try:
                grew = [self._read(name) for name in self.data]
            except (ConnectionError, TimeoutError, OSError):
                grew = [False]  # Redis is away or loads its data: the test wants it so
            except RedisError as error:
                self.faults.append(repr(error))
                break
            for name in self.data:
                self._grant(name)
            if not any(grew):
                self._ended.wait(0.005)

    def _read(self, name: str) -> bool:
        cursor = len(self.data[name])
        pipe = self._redis.pipeline(transaction=True)
        pipe.hget(f"dumb:logmeta:{name}", "generation")
        pipe.xrange(f"dumb:log:{name}", min=f"({cursor}-0", count=16)
        generation, entries = pipe.execute()
        if generation is None or not self._same(name, generation):
            return False
        for entry_id, fields in entries:
            end, chunk = int(entry_id.split(b"-")[0]), fields[b"chunk"]
            start = len(self.data[name])
            if end - len(chunk) > start:
                self.faults.append(f"{name}: a chunk {end - len(chunk)}-{end} after {start}")
                return False
            chunk = chunk[start - end :]  # chunks that were sent anew are cut elsewhere
            self.data[name] += chunk
            self._lines[name] += chunk.count(b"\n")
        return bool(entries)

    def _same(self, name: str, generation: bytes) -> bool:
        known = self.generation.setdefault(name, generation)
        if known == generation:
            return True
        self.faults.append(f"{name}: generation {known!r} became {generation!r}")
        return False

    def _grant(self, name: str) -> None:
        path = self._directory / f"{name}.credit"
        credit = min(self._lines[name], int(RATE * (time.monotonic() - self._began))) + WINDOW
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(b"%020d" % credit)

    def wait_for_last(self, name: str, timeout: float = 20) -> int:
        """Ask the writer for its last line and wait until it was read; the number of lines."""
        (self._directory / f"{name}.finish").touch()
        wait_until_sync(
            lambda: self.faults or _LAST.search(self.data[name], max(0, len(self.data[name]) - 99)),
            timeout=timeout,
            what=f"the last line of {name}, {self._lines[name]} were read",
        )
        assert not self.faults, self.faults
        match = _LAST.search(self.data[name])
        assert match is not None
        return int(match.group(1))

    def end(self) -> None:
        """Stop reading."""
        self._ended.set()
        self.join()
        self._redis.close()
