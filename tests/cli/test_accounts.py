"""`dumb login`, `users`, `tokens`, `commands`, `audit` with authentication on."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.conftest import DUMB, Rig
from tests.cli.terminal import OnTerminal

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def admin(rig: Rig) -> Iterator[Rig]:
    """With the first account `ann`, who is logged in."""
    done = rig.dumb("users", "add", "ann", typed=f"{PASSWORD}\n")
    assert (done.returncode, done.stdout) == (0, "Added ann.\n")
    assert "dumb login" in done.stderr
    log_in(rig)
    yield rig
    log_in(rig)


def log_in(rig: Rig, name: str = "ann", password: str = PASSWORD) -> None:
    text = rig.says("login", "-u", name, typed=f"{password}\n")
    assert text.startswith(f"Logged in at {rig.base} as {name}, role ")


def stored(rig: Rig) -> Any:
    return json.loads(rig.logins.read_text())


def store(rig: Rig, **changes: str) -> None:
    tree = stored(rig)
    tree[rig.base] |= changes
    rig.logins.write_text(json.dumps(tree))


def test_a_login_is_kept_for_this_user_alone(admin: Rig) -> None:
    assert admin.logins.stat().st_mode & 0o777 == 0o600
    assert admin.logins.parent.stat().st_mode & 0o777 == 0o700
    assert list(stored(admin)) == [admin.base]
    admin.logins.chmod(0o644)
    admin.says("status")
    assert admin.logins.stat().st_mode & 0o777 == 0o600


def test_wrong_passwords_and_no_login(admin: Rig) -> None:
    wrong = admin.refused("login", typed="ann\nwrong password\n")
    assert wrong == "Incorrect username or password.\n"
    assert "The input ended" in admin.refused("login", typed="ann\n")
    nobody = {"XDG_CONFIG_HOME": str(admin.home / "nobody")}
    assert "Log in with `dumb login`" in admin.refused("status", code=77, env=nobody)
    token = {"DUMB_TOKEN": "dumb_x"}
    assert "DUMB_TOKEN is not accepted" in admin.refused("status", code=77, env=token)


def test_an_expired_token_is_renewed_once_by_many(admin: Rig) -> None:
    before = stored(admin)[admin.base]
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() - 5}).encode()).decode()
    store(admin, access_token=f"a.{claims.rstrip('=')}.c")
    running = [
        subprocess.Popen(
            [str(DUMB), "status"], env=admin.environ(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert all("Web Server" in process.communicate()[0] for process in running)
    after = stored(admin)[admin.base]
    assert after["refresh_token"] != before["refresh_token"]
    store(admin, access_token="garbage")  # no time in it: the 401 tells
    assert "Web Server" in admin.says("status")


def test_a_login_that_has_ended(admin: Rig) -> None:
    store(admin, access_token="garbage", refresh_token="garbage")
    assert "This login has ended: `dumb login` again." in admin.refused("status", code=77)
    assert admin.base not in stored(admin)
    assert admin.says("logout") == f"There is no login at {admin.base}.\n"
    log_in(admin)
    token = stored(admin)[admin.base]["access_token"]
    assert admin.says("logout") == f"Logged out at {admin.base}.\n"
    admin.refused("status", env={"DUMB_TOKEN": token}, code=77)
    log_in(admin)


@pytest.mark.parametrize("data", ["not json", "[]", '{"%s": 5}', '{"%s": {"username": "x"}}'])
def test_a_broken_file_of_logins(admin: Rig, data: str) -> None:
    admin.logins.write_text(data.replace("%s", admin.base))
    refused = admin.refused("status", code=78)
    assert f"{admin.logins} cannot be used" in refused
    assert "delete it, then `dumb login` again" in refused
    admin.logins.unlink()
    log_in(admin)


def test_a_directory_that_cannot_be_written(admin: Rig) -> None:
    env = {"XDG_CONFIG_HOME": "/proc/nowhere"}
    refused = admin.refused("login", "-u", "ann", typed=f"{PASSWORD}\n", env=env, code=78)
    assert "cannot be written" in refused


def test_accounts(admin: Rig) -> None:
    admin.says("users", "add", "bob", "--role", "viewer", typed=f"{PASSWORD}\n")
    assert "taken" in admin.refused("users", "add", "bob", typed=f"{PASSWORD}\n").lower()
    assert "at least 8" in admin.refused("users", "add", "eve", typed="short\n")
    assert admin.says("users", "role", "bob", "operator") == "bob has the role operator.\n"
    assert admin.says("users", "disable", "bob") == "bob is disabled.\n"
    assert admin.says("users", "list").splitlines()[2].split()[:3] == [
        "bob",
        "operator",
        "disabled",
    ]
    assert admin.says("users", "enable", "bob") == "bob is enabled.\n"
    assert "There is no user 'carl'." in admin.refused("users", "disable", "carl")
    assert admin.dumb("users", "role", "bob", "king").returncode == 2
    changed = admin.says("users", "passwd", "bob", typed="another word\n")
    assert changed.startswith("Changed the password of bob")
    env = {"XDG_CONFIG_HOME": str(admin.home / "bob")}
    admin.says("login", "-u", "bob", typed="another word\n", env=env)
    refused = admin.refused("users", "list", env=env, code=77)
    assert refused == "This needs the role admin; you are operator.\n"
    own = admin.refused("users", "passwd", typed="wrong\nyet another\n", env=env)
    assert "The current password is wrong." in own
    admin.says("users", "passwd", typed="another word\nyet another\n", env=env)
    assert "say --yes" in admin.refused("users", "delete", "bob")
    assert admin.says("users", "delete", "bob", "-y") == "Deleted bob.\n"


def test_passwords_are_not_shown(admin: Rig) -> None:
    with OnTerminal(admin, "login", "-u", "ann") as screen:
        screen.until("Password of ann: ")
        screen.type(f"{PASSWORD}\n")
        screen.until("Logged in at")
        assert screen.end() == 0
    assert PASSWORD not in screen.output
    with OnTerminal(admin, "users", "add", "twin") as screen:
        screen.until("Password of twin: ")
        screen.type("first password\n")
        screen.until("The same again: ")
        screen.type("second password\n")
        screen.until("two different passwords")
        assert screen.end() == 1


def test_tokens_and_roles(admin: Rig) -> None:
    made = admin.dumb("tokens", "create", "cron", "--role", "viewer", "--days", "3")
    token = made.stdout.strip()
    assert token.startswith("dumb_")
    assert "It is not shown again." in made.stderr
    env = {"DUMB_TOKEN": token}
    assert "Web Server" in admin.says("status", env=env)
    refused = admin.refused("restart", "Talker", code=77, env=env)
    assert refused == "This needs the role operator; you are viewer.\n"
    row = admin.says("tokens", "list").splitlines()[1].split()
    assert row[1:4] == ["cron", "viewer", "ann"]
    assert admin.says("tokens", "delete", row[0]) == f"Deleted the token {row[0]}.\n"
    assert admin.dumb("status", env=env).returncode == 77
    assert "no such API token" in admin.refused("tokens", "delete", row[0])


def test_commands_and_their_steps(admin: Rig) -> None:
    admin.says("restart", "Talker")
    listed = json.loads(admin.says("commands", "list", "talker", "--json"))["commands"]
    assert (listed[0]["action"], listed[0]["actor"]) == ("restart", "ann@127.0.0.1")
    command_id = listed[0]["id"]
    assert admin.says("commands", "list", "-n", "1").splitlines()[1].split()[0] == command_id
    shown = admin.says("commands", "show", command_id[:12]).splitlines()
    assert shown[:4] == [
        f"id:     {command_id}",
        "action: restart Talker",
        "by:     ann@127.0.0.1 (api)",
        "status: succeeded",
    ]
    assert shown[5].endswith("+0.0 s  accepted")
    assert any("spawned pid" in line for line in shown)
    assert "No command has the id 'nothing'" in admin.refused("commands", "show", "nothing")
    trail = json.loads(admin.says("audit", "-n", "100", "--json"))["entries"]
    assert command_id in [entry["command"] for entry in trail]
    assert "restart" in admin.says("audit")


def test_login_where_none_is_needed_and_without_an_api(rig: Rig) -> None:
    assert "does not answer" in rig.refused("--url", "http://127.0.0.1:1", "login", code=69)
