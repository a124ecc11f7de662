"""The lock on a data directory."""

import os
import threading
from pathlib import Path

import pytest

from shared.lock import InUseError, LockFileError, holder, open_lock, take_lock, try_lock


def test_it_names_its_holder_and_refuses_another(tmp_path: Path) -> None:
    path = tmp_path / "run" / "supervisor.lock"
    assert holder(path) is None
    held = take_lock(path, "supervisor", tmp_path)
    assert holder(path) == os.getpid()
    with pytest.raises(InUseError, match=rf"Another supervisor \(pid {os.getpid()}\) runs on"):
        take_lock(path, "supervisor", tmp_path)
    os.close(held)
    assert holder(path) is None


def test_somebody_who_only_looks_does_not_keep_it_from_anyone(tmp_path: Path) -> None:
    """`dumb supervisor upgrade` looks while the next one starts: that must not be its end."""
    path = tmp_path / "supervisor.lock"
    looking = open_lock(path)
    assert try_lock(looking)
    threading.Timer(0.1, os.close, (looking,)).start()
    os.close(take_lock(path, "supervisor", tmp_path))


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(LockFileError, match="set DUMB_HOME"):
        take_lock(tmp_path / "run" / "jobs.lock", "jobs program", tmp_path)
