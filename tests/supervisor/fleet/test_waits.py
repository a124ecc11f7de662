"""Waiting: told what for, ended by what comes, by a deadline, or by whoever cancels."""

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from services.supervisor.fleet import mounts, waits
from services.supervisor.fleet.mounts import MountWatch, mount_points
from services.supervisor.fleet.waits import wait_for_all
from services.supervisor.fleet.wanted import PathWait, TcpWait, UrlWait, Wait
from services.supervisor.probes.http import target_of
from services.supervisor.spawn import LaunchError
from tests.supervisor.probes.serving import ok, served
from tests.support.redis_server import free_port
from tests.support.wait import wait_until

TABLE = r"""22 28 0:21 / /sys rw,nosuid - sysfs sysfs rw
77 28 0:45 / /mnt/a\040b\134c rw - fuse.rclone remote: rw
short line
"""


def url(port: int, path: str = "/", json_path: str = "") -> UrlWait:
    address = f"http://127.0.0.1:{port}{path}"
    return UrlWait(address, target_of(address), json_path)


async def begin(
    *wanted: Wait, limit: float | None = None
) -> tuple["asyncio.Task[None]", list[str]]:
    """A wait under way, and what it tells."""
    heard: list[str] = []
    task = asyncio.create_task(wait_for_all(wanted, heard.append, limit))
    await asyncio.sleep(0)
    return task, heard


def mount(path: Path) -> bool:
    """Whether this run may mount something there."""
    command = ["/bin/mount", "-t", "tmpfs", "x", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def unmount(path: Path) -> None:
    subprocess.run(["/bin/umount", str(path)], check=True)


async def test_what_is_there_is_not_told_of(tmp_path: Path) -> None:
    async with served() as server:
        task, heard = await begin(
            PathWait(str(tmp_path)),
            PathWait("/proc", mounted=True),
            TcpWait("127.0.0.1", server.port),
            url(server.port),
        )
        await task
    assert heard == []


async def test_a_directory_that_comes(tmp_path: Path) -> None:
    task, heard = await begin(PathWait(str(tmp_path / "late")))
    await wait_until(lambda: heard)
    assert heard[0] == f"directory {tmp_path}/late (No such file or directory)"
    (tmp_path / "late").mkdir()
    async with asyncio.timeout(5):
        await task


async def test_a_mount_that_comes_is_noticed_by_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "FIRST_PAUSE_S", 60)  # what is noticed was announced
    watches: list[MountWatch] = []

    def watch() -> MountWatch:
        watches.append(MountWatch())
        return watches[0]

    monkeypatch.setattr(waits, "MountWatch", watch)
    table = {"/proc"}
    monkeypatch.setattr(waits, "mounted", lambda: frozenset(table))
    task, heard = await begin(PathWait("/mnt/x", mounted=True))
    await wait_until(lambda: heard)
    assert heard == ["mount /mnt/x (not mounted)"]
    table.add("/mnt/x")
    watches[0]._changed.set()
    async with asyncio.timeout(5):
        await task


async def test_a_mount_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc")
    task, heard = await begin(PathWait(str(tmp_path / "link"), mounted=True))
    await task
    assert heard == []


def test_the_kernels_table_is_read() -> None:
    assert mount_points(TABLE) == {"/sys", "/mnt/a b\\c"}
    assert "/proc" in mounts.mounted()


async def test_the_kernel_wakes_the_watch(tmp_path: Path) -> None:
    watch = MountWatch()
    try:
        if not mount(tmp_path):
            pytest.skip("may not mount")
        assert await watch.changed(5)
        assert str(tmp_path) in mounts.mounted()
        unmount(tmp_path)
        assert await watch.changed(5)
    finally:
        watch.close()


async def test_a_port_and_an_address_that_come() -> None:
    port = free_port()
    task, heard = await begin(TcpWait("127.0.0.1", port, "db"), url(port, "/ping", "a.b"))
    await wait_until(lambda: heard)
    assert heard[0] == f"db 127.0.0.1:{port} (does not answer)"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        writer.write(replies[0])
        writer.close()

    replies = [ok(b"", "503 Not yet")]
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    address = f"http://127.0.0.1:{port}/ping"
    for reply, said in (
        (replies[0], f"{address} (HTTP 503)"),
        (ok(b"x"), f"{address} (the answer is not JSON)"),
        (ok(b"{}"), f"{address} (the answer lacks 'a.b')"),
    ):
        replies[0] = reply
        await wait_until(lambda said=said: said in heard)
    replies[0] = ok(b'{"a": {"b": 0}}')
    async with asyncio.timeout(5):
        await task
    server.close()


async def test_a_limit_ends_all_of_it(tmp_path: Path) -> None:
    task, _ = await begin(PathWait(str(tmp_path / "never")), limit=0.2)
    with pytest.raises(LaunchError, match=r"Waited 0 s in vain for directory .*never"):
        await task


async def test_addresses_have_a_budget_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "DEFAULT_WAIT_S", 0.2)
    task, _ = await begin(url(free_port()))
    with pytest.raises(LaunchError, match="Connection refused"):
        await task


async def test_a_look_that_hangs_is_told_of_and_can_be_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waits, "PATIENCE_S", 0.05)

    async def hangs(_call: Callable[[], str]) -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(waits, "apart", hangs)
    task, heard = await begin(PathWait("/dead/mount"))
    await wait_until(lambda: heard)
    assert heard == ["directory /dead/mount (no answer yet)"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
