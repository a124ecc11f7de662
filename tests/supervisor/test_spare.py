"""The directory that is made ahead."""

import os
import stat
from pathlib import Path

from services.supervisor.spare import SPARE, Spare, remove_spares
from services.supervisor.spool import Spool
from tests.support.wait import wait_until


async def test_one_is_made_and_taken_once(tmp_path: Path) -> None:
    home = tmp_path / "services" / "web"
    (home / "0").mkdir(parents=True)
    spare = Spare()
    for _ in range(3):
        spare.prepare(home)
    await wait_until((home / SPARE).is_dir, what="the spare directory")
    for generation in (1, 2):
        spare.take(home, generation)
    assert sorted(path.name for path in home.iterdir()) == ["0", "1"]
    files = sorted(path.name for path in (home / "1").iterdir())
    assert files == ["err.0.spool", "err.fifo", "out.0.spool", "out.fifo"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (home / "1").iterdir())
    spool = Spool(home / "1", "out")
    writer = spool.writer()
    os.write(writer, b"line\n")
    os.close(writer)
    assert spool.fill() == 5
    assert spool.read(0, 0, 100) == b"line\n"
    spool.close()


async def test_a_directory_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "services" / "web"
    (home / "1").mkdir(parents=True)
    (home / "1" / "out.fifo").touch()
    spare = Spare()
    spare.prepare(home)
    await wait_until((home / SPARE).is_dir, what="the spare directory")
    spare.take(home, 1)
    assert [path.name for path in (home / "1").iterdir()] == ["out.fifo"]
    remove_spares(tmp_path)
    assert [path.name for path in home.iterdir()] == ["1"]


async def test_none_is_made_where_nothing_runs(tmp_path: Path) -> None:
    stopped, runs = tmp_path / "services" / "stopped", tmp_path / "services" / "runs"
    stopped.mkdir(parents=True)
    (runs / "1").mkdir(parents=True)
    for home in (stopped, tmp_path / "gone", runs):
        Spare().take(home, 1)
        Spare().prepare(home)
    await wait_until((runs / SPARE).is_dir, what="the spare directory of the one that runs")
    assert list(stopped.iterdir()) == []
