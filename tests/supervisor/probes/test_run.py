"""Programs beside a service: they end in time or are ended, and leave nothing."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from services.supervisor.env_copy import copy_env
from services.supervisor.probes.apart import apart
from services.supervisor.probes.run import Person, run
from services.supervisor.spawn import LaunchError
from tests.supervisor.blocks import spec_of
from tests.supervisor.live import gone, is_root
from tests.support.wait import wait_until


def person(home: Path) -> Person:
    return Person({"PATH": os.defpath}, home, None, None)


async def test_code_and_output(tmp_path: Path) -> None:
    ran = await run(["sh", "-c", "echo out; echo err >&2; pwd; exit 3"], person(tmp_path), 5)
    assert ran.code == 3
    assert ran.output.split() == ["out", "err", str(tmp_path)]
    assert (await run(["sh", "-c", "kill -9 $$"], person(tmp_path), 5)).code == -9


async def test_a_flood_does_not_block_it_and_its_end_is_kept(tmp_path: Path) -> None:
    ran = await run(["sh", "-c", "seq 200000; echo last"], person(tmp_path), 20)
    assert (ran.code, ran.output.endswith("last\n"), len(ran.output)) == (0, True, 4096)


async def test_late_ones_are_killed_with_everything_they_started(tmp_path: Path) -> None:
    script = "sleep 1000 & echo $!; trap '' TERM; sleep 1000"
    began = time.monotonic()
    ran = await run(["sh", "-c", script], person(tmp_path), 0.3)
    assert ran.code is None
    assert time.monotonic() - began < 5
    await wait_until(lambda: gone(int(ran.output)))


async def test_a_cancelled_one_is_killed(tmp_path: Path) -> None:
    task = asyncio.create_task(
        run(["sh", "-c", "echo $$ > pid; sleep 1000"], person(tmp_path), 100)
    )
    pid = tmp_path / "pid"
    await wait_until(lambda: pid.exists() and pid.read_text().strip())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until(lambda: gone(int(pid.read_text())))


async def test_what_cannot_be_run_leaves_no_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            await run(["/no/such/program"], person(tmp_path), 5)
        await run(["true"], person(tmp_path), 5)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_a_hanging_call_is_left_to_its_thread() -> None:
    reader, writer = os.pipe()
    task = asyncio.create_task(apart(lambda: os.read(reader, 1)))
    done, _ = await asyncio.wait({task}, timeout=0.05)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    os.write(writer, b"x")  # let the thread end
    assert await apart(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await apart(lambda: 1 // 0)
    os.close(reader)
    os.close(writer)


async def test_env_copy(tmp_path: Path) -> None:
    paths = {"source": "data/.env", "destination": "deep/er/.env"}
    spec = spec_of(tmp_path)
    assert "no " in await copy_env(paths, spec)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.env").write_text("A=1\n")
    assert "copied" in await copy_env(paths, spec)
    copy = tmp_path / "deep/er/.env"
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("A=1\n", 0o600)
    copy.unlink()
    (tmp_path / "victim").write_text("keep")
    copy.symlink_to(tmp_path / "victim")
    await copy_env(paths, spec)
    assert ((tmp_path / "victim").read_text(), copy.is_symlink()) == ("keep", False)
    with pytest.raises(LaunchError, match=r"env_copy of .*data/\.env failed"):
        await copy_env({**paths, "destination": "/proc/nowhere/.env"}, spec)


@pytest.mark.skipif(not is_root(), reason="only root can become somebody else")
async def test_it_runs_as_the_service_does(tmp_path: Path) -> None:
    ran = await run(["id", "-u"], Person({"PATH": os.defpath}, tmp_path, 12345, 12346), 5)
    assert ran.output.strip() == "12345"
