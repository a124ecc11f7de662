"""The disk of the data directory is full: services go on, and everybody is told."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.observed import (
    block,
    carry_out,
    doubles,
    journal_records,
    living,
    on_disk,
    starts,
)
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until_sync

SIZE = "16m"
_NUMBER = re.compile(rb" subprocess: (\d{9}) x* (\d{9})$")
_MARK = re.compile(rb"WARNING (\d+) lines? of output w\w+ lost")


class Disk:
    """A small file system of the test's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self) -> None:
        """Until nothing fits any more."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)

    def free(self) -> None:
        """There is space again."""
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "home"
    path.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("no mount command")
    arguments = ["-t", "tmpfs", "-o", f"size={SIZE},mode=700", "none", str(path)]
    done = subprocess.run([mount, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a tmpfs of the test's own needs root: {done.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run([umount, "--lazy", str(path)], check=True)


@pytest.fixture
def supervisor(disk: Disk, tmp_path: Path, redis_url: str) -> Iterator[SupervisorProcess]:
    marks = tmp_path / "marks"
    marks.mkdir()
    services = {
        "flood": block(marks, "flood", "flood"),
        "worker": block(marks, "worker", "worker"),
    }
    supervisor = SupervisorProcess(disk.path, redis_url, services)
    supervisor.output = tmp_path / "supervisor.out"
    supervisor.write_config(services, log_size="1G")
    try:
        supervisor.start()
        yield supervisor
    finally:
        supervisor.close()


def _grant(marks: Path, credit: int) -> None:
    """Let the writer go on to so many lines."""
    path = marks / "flood.credit"
    with path.open("r+b" if path.exists() else "wb") as file:  # never empty for its reader
        file.write(b"%020d" % credit)


def _progress(marks: Path) -> int:
    try:
        return int((marks / "flood.progress").read_bytes() or 0)
    except FileNotFoundError:
        return 0


def _write_on(marks: Path, credit: int) -> None:
    """The writer writes so many lines in all, however much of it is lost: nothing blocks it."""
    _grant(marks, credit)
    wait_until_sync(lambda: _progress(marks) >= credit, what=f"the writer to reach {credit}")


def _shown(data: bytes, *, torn: int = 0) -> list[int]:
    """The numbers in a log, in order and each once; `torn`: so many lines may be cut."""
    numbers = [0]
    for line in data.split(b"\n")[:-1]:
        match = _NUMBER.search(line)
        if match is not None and match[1] == match[2]:
            assert int(match[1]) > numbers[-1], line
            numbers.append(int(match[1]))
        elif _MARK.search(line) is None:
            torn -= 1
            assert torn >= 0, f"a torn line: {line!r}"
    return numbers[1:]


def _lost(data: bytes) -> int:
    return sum(int(number) for number in _MARK.findall(data))


def _refused(supervisor: SupervisorProcess, name: str) -> dict[str, str]:
    """Restart until the journal has no room any more, which takes a few records; the receipt."""
    for number in range(40):
        receipt = supervisor.run("restart", "worker", id=f"{name}-{number}")
        if receipt["status"] != "succeeded":
            assert receipt["status"] == "failed", receipt
            return receipt
    raise AssertionError("every command was carried out on a full disk")


def test_a_full_disk_costs_lines_and_commands_but_no_service(
    disk: Disk, supervisor: SupervisorProcess, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    _grant(marks, 1000)
    carry_out(supervisor, marks, "start", "flood")
    carry_out(supervisor, marks, "start", "worker")
    _write_on(marks, 1000)
    wait_until_sync(lambda: len(_shown(on_disk(disk.path, "flood"))) > 500, what="some lines")
    disk.fill()
    _write_on(marks, 50_000)
    receipt = _refused(supervisor, "refused")
    assert "No space left on device" in receipt["detail"]
    assert supervisor.service("flood")["status"] == "running"
    # Refused before it was stopped: on a full disk it would not come back.
    assert supervisor.service("worker")["status"] == "running"
    assert len(living(marks, "worker")) == 1
    disk.free()
    _write_on(marks, 60_000)

    def complete() -> bool:
        data = on_disk(disk.path, "flood")
        return len(_shown(data)) + _lost(data) >= _progress(marks) - 1

    wait_until_sync(complete, what="every line to be shown or counted as lost")
    data = on_disk(disk.path, "flood")
    assert _lost(data) > 10_000
    assert len(_shown(data)) + _lost(data) in {_progress(marks) - 1, _progress(marks)}
    carry_out(supervisor, marks, "restart", "worker")
    wait_until_sync(
        lambda: supervisor.log("flood")[-2000:] == on_disk(disk.path, "flood")[-2000:],
        what="the stream to say what the file says",
    )


def test_a_supervisor_killed_on_a_full_disk_is_succeeded_at_once(
    disk: Disk, supervisor: SupervisorProcess, tmp_path: Path
) -> None:
    """Its successor must be able to begin before there is space, or nobody could help."""
    marks = tmp_path / "marks"
    _grant(marks, 1000)
    carry_out(supervisor, marks, "start", "flood")
    carry_out(supervisor, marks, "start", "worker", id="before")
    generation = supervisor.redis.hget("dumb:logmeta:flood", "generation")
    disk.fill()
    _write_on(marks, 30_000)
    _refused(supervisor, "meanwhile")
    supervisor.kill()
    os.sync()
    supervisor.start()
    assert supervisor.service("flood")["status"] == "running"
    assert supervisor.service("worker")["status"] == "running"
    receipt = _refused(supervisor, "still-full")
    assert receipt["detail"].startswith("Cannot write the journal")
    _write_on(marks, 60_000)
    disk.free()
    _write_on(marks, 70_000)
    carry_out(supervisor, marks, "restart", "worker", id="space-again")
    done = len(starts(marks, "worker"))
    supervisor.kill()
    supervisor.start()
    # What was known before, and after, is known; no record is half.
    assert supervisor.run("restart", "worker", id="before", stream="triggers")["status"] == (
        "succeeded"
    )
    assert len(starts(marks, "worker")) == done
    assert len(living(marks, "flood")) == 1
    assert not doubles(marks)
    assert {r["name"] for r in journal_records(disk.path) if r["k"] == "service"} >= {"flood"}
    wait_until_sync(
        lambda: _shown(on_disk(disk.path, "flood"), torn=2)[-1] >= _progress(marks) - 1,
        what="the last line",
    )
    assert supervisor.redis.hget("dumb:logmeta:flood", "generation") == generation
