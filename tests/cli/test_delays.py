"""`dumb login` and `users passwd` while others guess: the ticket, and the device token."""

import json
from typing import Any

import httpx
import pytest

from tests.cli.conftest import Rig
from tests.cli.test_accounts import PASSWORD

WAITS = "Too many failed logins: this one waits 1 s.\n"


@pytest.fixture(scope="module")
def ann(rig: Rig) -> Rig:
    """With an account, which has logged in once."""
    rig.dumb("users", "add", "ann", typed=f"{PASSWORD}\n")
    rig.says("login", "-u", "ann", typed=f"{PASSWORD}\n")
    return rig


def forget(rig: Rig) -> None:
    redis: Any = rig.supervisor.redis
    for key in list(redis.scan_iter("dumb:rate:*")):
        redis.delete(key)


def guess(rig: Rig) -> None:
    """Until guesses are delayed."""
    body = {"username": "ann", "password": "wrong wrong"}
    while httpx.post(f"{rig.base}/auth/login", json=body).status_code == 401:
        pass


def devices(rig: Rig) -> Any:
    return json.loads((rig.logins.parent / "devices.json").read_text())


def test_it_waits_for_its_ticket_and_then_is_known(ann: Rig) -> None:
    file = ann.logins.parent / "devices.json"
    file.unlink()
    forget(ann)
    guess(ann)
    done = ann.dumb("login", "-u", "ann", typed=f"{PASSWORD}\n")
    assert (done.returncode, done.stderr) == (0, WAITS)
    assert file.stat().st_mode & 0o777 == 0o600
    token = devices(ann)[ann.base]["ann"]
    assert token.startswith("dumbdev_")
    ann.says("logout")
    # Others guess, also from this address: this device is not delayed, and keeps its token.
    guess(ann)
    text = ann.says("login", "-u", "ann", typed=f"{PASSWORD}\n")
    assert text.startswith("Logged in at")
    assert devices(ann) == {ann.base: {"ann": token}}
    guess(ann)
    changed = ann.says("users", "passwd", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert changed.startswith("Changed the password of ann")
    ann.says("login", "-u", "ann", typed=f"{PASSWORD}\n")


@pytest.mark.parametrize("data", ['{"%s": 5}', '{"%s": {"ann": 5}}', "{}"])
def test_a_file_of_devices_without_one(ann: Rig, data: str) -> None:
    file = ann.logins.parent / "devices.json"
    file.write_text(data.replace("%s", ann.base))
    forget(ann)
    ann.says("login", "-u", "ann", typed=f"{PASSWORD}\n")
    assert devices(ann)[ann.base]["ann"].startswith("dumbdev_")


def test_a_broken_file_of_devices(ann: Rig) -> None:
    file = ann.logins.parent / "devices.json"
    file.write_text("not json")
    refused = ann.refused("login", "-u", "ann", typed=f"{PASSWORD}\n", code=78)
    assert f"{file} cannot be used" in refused
    file.unlink()
    forget(ann)
    ann.says("login", "-u", "ann", typed=f"{PASSWORD}\n")


def test_a_ticket_that_others_take_each_time(ann: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    forget(ann)
    (ann.logins.parent / "devices.json").unlink()
    waits: list[float] = []

    def others_are_faster(seconds: float) -> None:
        waits.append(seconds)
        answer = httpx.post(f"{ann.base}/auth/login", json={"username": "ann", "password": "w" * 8})
        ticket = {"X-Login-Ticket": answer.json()["ticket"]}
        body = {"username": "ann", "password": "wrong wrong"}
        httpx.post(f"{ann.base}/auth/login", json=body, headers=ticket)

    monkeypatch.setattr("services.cli.guesses.time.sleep", others_are_faster)
    guess(ann)
    refused = ann.refused("login", "-u", "ann", typed=f"{PASSWORD}\n")
    assert refused.splitlines()[-1].startswith("Too many failed logins. Try again in ")
    assert len(waits) == 5
    assert waits[0] == 1
    assert max(waits) <= 29
    forget(ann)
    ann.says("login", "-u", "ann", typed=f"{PASSWORD}\n")
