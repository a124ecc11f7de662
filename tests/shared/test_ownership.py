"""What root takes over of a data directory that was another user's."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.ownership import OwnershipError, close_secrets, take_over
from shared.settings import Settings, load_settings

PROJECT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root takes something over")


@pytest.fixture
def settings() -> Iterator[Settings]:
    """An old volume: everything belongs to user 1000, as the image made it before."""
    top = Path(tempfile.mkdtemp(prefix="dumb-own-"))
    home, config = top / "data", top / "config"
    for directory in ("run/services/App/3", "log", "redis/appendonlydir", "jobs", "demo/logger"):
        (home / directory).mkdir(parents=True)
    config.mkdir(mode=0o700)
    for name in ("users.json", "redis.url", ".env", "run/journal.jsonl", "log/App.log", "demo/own"):
        (home / name).write_text(name)
    os.mkfifo(home / "run/services/App/3/out")
    for name in ("dumb_config.json", ".env", "rclone.config"):
        (config / name).write_text(name)
    _give(top, 1000)
    yield replace(load_settings({"DUMB_HOME": str(home)}), config_path=config / "dumb_config.json")
    shutil.rmtree(top)


def _give(top: Path, uid: int) -> None:
    if os.geteuid() == 0:
        for path in (top, *top.rglob("*")):
            os.chown(path, uid, uid, follow_symlinks=False)


def _of(path: Path) -> tuple[int, int]:
    info = path.lstat()
    return info.st_uid, stat.S_IMODE(info.st_mode)


@as_root
def test_an_old_volume_becomes_roots(settings: Settings) -> None:
    home, config = settings.home, settings.config_path.parent
    said = take_over(settings, container=True)
    assert len(said) == 2
    assert str(home) in said[0]
    assert str(config) in said[1]
    assert _of(home) == (0, 0o711)
    for name in ("run", "log", "redis", "jobs", "run/services/App/3", "redis/appendonlydir"):
        assert _of(home / name) == (0, 0o700)
    for name in ("users.json", "redis.url", ".env", "run/journal.jsonl", "log/App.log"):
        assert _of(home / name) == (0, 0o600)
        assert (home / name).read_text() == name
    assert _of(home / "run/services/App/3/out")[0] == 0
    assert _of(config) == (0, 0o711)
    assert _of(config / "dumb_config.json") == _of(config / ".env") == (0, 0o600)
    for path in (home / "demo", home / "demo/own", config / "rclone.config"):
        assert _of(path)[0] == 1000
    assert take_over(settings, container=True) == []


@as_root
def test_a_directory_outside_a_container_is_not_taken(settings: Settings) -> None:
    config = settings.config_path.parent
    said = take_over(settings, container=False)
    assert f"`chown root {config}`" in said[1]
    assert _of(config)[0] == _of(settings.config_path)[0] == 1000


@as_root
def test_what_a_service_laid_among_our_files_is_not_followed(settings: Settings) -> None:
    home = settings.home
    target = home.parent / "target"
    target.write_text("root's own")
    target.chmod(0o644)
    deep = home / "run"
    for _ in range(40):
        deep /= "d"
        deep.mkdir()
    (home / "log/link.log").symlink_to(target)
    (home / "run/directory").symlink_to(home.parent)
    (home / "log/hard.log").hardlink_to(target)
    (home / "demo/users").hardlink_to(home / "users.json")
    (home / "demo/App").hardlink_to(home / "log/App.log")
    for path in (home / "log/link.log", home / "run/directory", *_chain(home / "run/d")):
        os.chown(path, 1000, 1000, follow_symlinks=False)
    said = take_over(settings, container=True)
    assert _of(target) == (0, 0o644)
    assert target.read_text() == "root's own"
    for name in ("log/link.log", "run/directory", "log/hard.log"):
        assert not (home / name).is_symlink()
        assert not (home / name).exists()
        assert any(name in sentence for sentence in said)
    (home / "demo/users").write_text("written by the service")
    (home / "demo/App").write_text("written by the service")
    assert (home / "users.json").read_text() == "users.json"
    assert (home / "log/App.log").read_text() == "log/App.log"
    assert _of(home / "users.json") == _of(home / "log/App.log") == (0, 0o600)


def _chain(path: Path) -> list[Path]:
    return [path, *path.rglob("d")]


@as_root
@pytest.mark.parametrize("name", ["run", "log", "users.json", "redis.url", ".env", "config"])
def test_a_link_in_the_place_of_ours_ends_the_start(settings: Settings, name: str) -> None:
    path = settings.config_path if name == "config" else settings.home / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    elsewhere = settings.home.parent / "elsewhere"
    elsewhere.mkdir()
    path.symlink_to(elsewhere)
    os.chown(path, 1000, 1000, follow_symlinks=False)
    with pytest.raises(OwnershipError, match="is a link that root does not follow"):
        take_over(settings, container=True)
    assert _of(elsewhere)[0] == 0


@as_root
@pytest.mark.parametrize("name", ["run", "users.json"])
def test_another_kind_of_file_in_the_place_of_ours_ends_the_start(
    settings: Settings, name: str
) -> None:
    path = settings.home / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    os.mkfifo(path)
    with pytest.raises(OwnershipError, match=r"[Mm]ove it away"):
        take_over(settings, container=True)


@as_root
def test_links_of_an_administrator_stay(settings: Settings) -> None:
    _give(settings.home.parent, 0)
    moved = settings.home.parent / "moved"
    (settings.home / "log").rename(moved)
    (settings.home / "log").symlink_to(moved)
    (settings.home / "users.json").rename(moved / "users.json")
    (settings.home / "users.json").symlink_to(moved / "users.json")
    assert take_over(settings, container=True) == []
    assert (settings.home / "users.json").read_text() == "users.json"


@as_root
def test_roots_own_directory_keeps_its_mode_but_for_others_writing(settings: Settings) -> None:
    _give(settings.home.parent, 0)
    for before, after in ((0o700, 0o711), (0o755, 0o755), (0o777, 0o755), (0o1777, 0o1777)):
        settings.home.chmod(before)
        assert take_over(settings, container=True) == []
        assert _of(settings.home) == (0, after)


@as_root
def test_a_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    assert take_over(load_settings({"DUMB_HOME": str(home)}), container=False) == []
    assert _of(home) == (0, 0o711)


@as_root
def test_what_cannot_become_roots_ends_the_start(settings: Settings) -> None:
    """As on a file system without owners, or without the capability."""
    script = "from shared.ownership import take_over; from shared.settings import load_settings; "
    script += "take_over(load_settings(), container=True)"
    setpriv = shutil.which("setpriv") or ""
    ran = subprocess.run(
        [setpriv, "--bounding-set=-chown", sys.executable, "-c", script],
        env={"DUMB_HOME": str(settings.home), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "OwnershipError" in ran.stderr
    assert "cannot become root's (Operation not permitted)" in ran.stderr


def test_without_root_nothing_is_touched(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    before = _of(settings.home)
    assert take_over(settings, container=True) == []
    assert _of(settings.home) == before


def test_secrets_are_closed(tmp_path: Path) -> None:
    close_secrets(tmp_path / "missing")
    tmp_path.chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match=r"directory|symbolic"):
        close_secrets(tmp_path / "link")
    assert _of(tmp_path)[1] == 0o755
    close_secrets(tmp_path)
    assert _of(tmp_path)[1] == 0o700
