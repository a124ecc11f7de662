"""Whom a service runs as, and how it is asked to end."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from services.supervisor import spawn
from services.supervisor.spawn import LaunchError, build_spec, stop_policy
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
