"""Whom a service runs as, and how it is asked to end."""

import os
import shutil
import signal
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.supervisor import spawn
from services.supervisor.files.owner import Owner
from services.supervisor.spawn import LaunchError, build_spec, stop_policy
from shared.settings import SettingsError, load_settings
from tests.supervisor.blocks import around, service

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# -- users ---------------------------------------------------------------------------------


@as_root
@pytest.mark.parametrize(
    ("key", "block", "top", "ids"),
    [
        ("web", {}, {}, (None, None)),
        ("web", {}, {"puid": 0, "pgid": 0}, (None, None)),
        ("web", {}, {"puid": 1000, "pgid": 1001}, (1000, 1001)),
        ("web", {"puid": 7}, {"puid": 1000, "pgid": 1001}, (7, 1001)),
        ("web", {"puid": None, "pgid": 0}, {"puid": 1000, "pgid": 1001}, (None, None)),
        ("rclone", {}, {"puid": 1000, "pgid": 1001}, (None, None)),
        ("rclone", {"puid": 5}, {"puid": 1000, "pgid": 1001}, (5, 1001)),
    ],
)
def test_whom_root_becomes(
    tmp_path: Path,
    key: str,
    block: dict[str, Any],
    top: dict[str, Any],
    ids: tuple[int | None, int | None],
) -> None:
    spec = build_spec(service(key, command=["sh"], **block), around(tmp_path, **top))
    assert (spec.uid, spec.gid) == ids


@as_root
@pytest.mark.parametrize(
    ("key", "block", "top", "ids"),
    [
        ("web", {}, {}, (1000, 1001)),
        ("web", {}, {"puid": 0, "pgid": 0}, (1000, 1001)),
        ("web", {}, {"puid": 7, "pgid": 8}, (7, 8)),
        ("web", {"puid": 7}, {"puid": 0}, (7, 1001)),
        ("web", {"puid": 0}, {"puid": 0}, (None, None)),
        ("rclone", {}, {"puid": 7}, (1000, 1001)),
        ("rclone", {"puid": 0}, {"puid": 7}, (None, None)),
    ],
)
def test_whom_root_becomes_where_nothing_is_said(
    tmp_path: Path,
    key: str,
    block: dict[str, Any],
    top: dict[str, Any],
    ids: tuple[int | None, int | None],
) -> None:
    around_ = replace(around(tmp_path, **top), user=Owner(1000, 1001))
    spec = build_spec(service(key, command=["sh"], **block), around_)
    assert (spec.uid, spec.gid) == ids
    filled = around(tmp_path).placeholders()["puid"], around_.placeholders()["puid"]
    assert filled == (0, top.get("puid") or 1000)


def test_the_user_of_services_is_two_ids() -> None:
    for text, ids in (("1000:1001", (1000, 1001)), ("0:0", None), (" ", None)):
        assert load_settings({"DUMB_SERVICE_USER": text}).service_user == ids
    for text in (
        "1000",
        "dumb:dumb",
        "1000:0",
        "0:1000",
        "1:2:3",
        "-1:5",
        "1:4294967295",
        "\u0661:1",
    ):
        with pytest.raises(SettingsError, match="1000:1000"):
            load_settings({"DUMB_SERVICE_USER": text})


@as_root
def test_home_is_of_use_to_the_service(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    others = around(tmp_path, {"HOME": "/root"}, puid=1000)
    made = build_spec(service(command=["sh"], config_dir="app"), others)
    assert made.env["HOME"] == str(tmp_path / "app")
    named = build_spec(service(command=["sh"], config_dir="app", env={"HOME": "/own"}), others)
    assert named.env["HOME"] == "/own"
    its_own = around(tmp_path, {"HOME": str(tmp_path / "app")}, puid=1000)
    assert build_spec(service(command=["sh"]), its_own).env["HOME"] == str(tmp_path / "app")
    ours = around(tmp_path, {"HOME": "/root"})
    assert build_spec(service(command=["sh"], config_dir="app"), ours).env["HOME"] == "/root"


@as_root
def test_services_of_two_users_have_directories_side_by_side(tmp_path: Path) -> None:
    for uid in (1234, 1235):
        around_ = around(tmp_path, puid=uid, pgid=uid)
        made = build_spec(service(command=["sh"], config_dir=f"work/{uid}"), around_).cwd
        assert made.stat().st_uid == uid
    between = (tmp_path / "work").stat()
    assert (between.st_uid, stat.S_IMODE(between.st_mode)) == (0, 0o711)


def test_nobody_but_root_becomes_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    spec = build_spec(service(command=["sh"]), around(tmp_path, puid=5, pgid=5))
    assert (spec.uid, spec.gid) == (None, None)
    assert spawn.drop_privileges(spec.uid, spec.gid) == []


@as_root
def test_privileges_are_dropped_by_an_exec(tmp_path: Path) -> None:
    spec = build_spec(service(command=["sh"]), around(tmp_path, puid=5, pgid=6))
    setpriv, *rest = spawn.drop_privileges(spec.uid, spec.gid)
    assert os.access(setpriv, os.X_OK)
    assert rest == ["--clear-groups", "--reuid=5", "--regid=6", "--"]


@as_root
def test_without_setpriv_the_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = build_spec(service(command=["sh"]), around(tmp_path, puid=5))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(LaunchError, match="setpriv"):
        spawn.drop_privileges(spec.uid, spec.gid)


@as_root
def test_a_directory_made_for_a_service_is_its_own(tmp_path: Path) -> None:
    around_ = around(tmp_path, puid=1234, pgid=1235)
    made = build_spec(service(command=["sh"], config_dir="a/b"), around_).cwd
    assert (made.stat().st_uid, made.stat().st_gid) == (1234, 1235)
    kept = tmp_path / "kept"
    kept.mkdir()
    build_spec(service(command=["sh"], config_dir="kept"), around_)
    assert kept.stat().st_uid == 0


# -- stopping ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "policy"),
    [
        ("anything", (signal.SIGTERM, 3, 10.0)),
        ("plex", (signal.SIGTERM, 6, 15.0)),
        ("jellyfin", (signal.SIGTERM, 6, 15.0)),
        ("emby", (signal.SIGTERM, 6, 15.0)),
        ("postgres", (signal.SIGINT, 6, 15.0)),
        ("rclone", (signal.SIGTERM, 4, 12.0)),
        ("decypharr", (signal.SIGTERM, 4, 12.0)),
        ("infinidysk", (signal.SIGTERM, 4, 12.0)),
        ("altmount", (signal.SIGTERM, 4, 12.0)),
        ("zurg", (signal.SIGTERM, 4, 12.0)),
        ("bazarr", (signal.SIGTERM, 1, 10.0)),
        ("cli_debrid", (signal.SIGTERM, 2, 10.0)),
    ],
)
def test_stop_policies_of_the_contract(key: str, policy: tuple[signal.Signals, int, float]) -> None:
    found = stop_policy(service(key))
    assert (found.signal, found.attempts, found.wait_s) == policy
    assert found.budget_s == policy[1] * policy[2] + 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SIGINT", signal.SIGINT),
        ("quit", signal.SIGQUIT),
        ("Hup", signal.SIGHUP),
        (2, signal.SIGINT),
        (None, signal.SIGTERM),
        ("", signal.SIGTERM),
    ],
)
def test_the_block_names_its_signal(name: Any, expected: signal.Signals) -> None:
    assert stop_policy(service(stop_signal=name)).signal is expected


def test_the_block_names_its_patience() -> None:
    policy = stop_policy(service("plex", stop_attempts=2, stop_wait=0.5))
    assert (policy.attempts, policy.wait_s) == (2, 0.5)
