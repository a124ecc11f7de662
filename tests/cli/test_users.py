"""`dumb users reset`: recovery, and the way back to the original."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import argon2
import bcrypt
import pytest

from tests.cli.test_cli import DUMB
from tests.support.supervisor import SupervisorProcess

ORIGINAL: dict[str, Any] = {
    "enabled": True,
    "users": [{"username": "alice", "password": "$2b$12$" + "a" * 53, "disabled": True}],
    "jwt_secret": "s" * 43,
    "later": 1,
    "api_tokens": [{"owner": "alice"}, {"owner": "bob"}],
}


def _reset(home: Path, *arguments: str, password: str) -> "subprocess.CompletedProcess[str]":
    env = os.environ | {"DUMB_HOME": str(home)}
    return subprocess.run(
        [str(DUMB), "users", "reset", *arguments],
        env=env,
        input=password + "\n",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "users.json").write_text(json.dumps(ORIGINAL))
    return tmp_path


def _user(home: Path) -> dict[str, Any]:
    user: dict[str, Any] = json.loads((home / "users.json").read_text())["users"][0]
    return user


def test_a_password_that_the_original_can_read(home: Path) -> None:
    done = _reset(home, "alice", "--bcrypt", password="another word")
    assert (done.returncode, done.stderr) == (0, "")
    assert "another word" not in done.stdout
    assert _user(home)["disabled"] is True
    stored = _user(home)["password"]
    assert stored.startswith("$2b$12$")
    assert bcrypt.checkpw(b"another word", stored.encode())
    tree = json.loads((home / "users.json").read_text())
    assert (tree["later"], tree["jwt_secret"]) == (1, "s" * 43)
    assert tree["api_tokens"] == [{"owner": "bob"}]
    assert tree["accounts"]["alice"]["tokens_epoch"] == tree["epoch"] > 0
    assert (home / "users.json").stat().st_mode & 0o777 == 0o600


def test_argon2id_and_letting_in_again(home: Path) -> None:
    assert _reset(home, "alice", "--enable", password="new password").returncode == 0
    assert _user(home)["disabled"] is False
    assert argon2.PasswordHasher().verify(_user(home)["password"], "new password")


@pytest.mark.parametrize(
    ("arguments", "password", "word"),
    [
        (["bob"], "new password", "no user 'bob'"),
        (["alice"], "short", "8 to 72"),
        (["alice"], "x" * 73, "8 to 72"),
        (["alice", "--bcrypt"], "\u6f22" * 30, "72 bytes"),
    ],
)
def test_what_is_refused(home: Path, arguments: list[str], password: str, word: str) -> None:
    before = (home / "users.json").read_bytes()
    done = _reset(home, *arguments, password=password)
    assert done.returncode == 1
    assert word in done.stderr
    assert (home / "users.json").read_bytes() == before


def test_not_beside_a_supervisor(redis_url: str, home: Path) -> None:
    supervisor = SupervisorProcess(home, redis_url, {})
    supervisor.start()
    try:
        before = (home / "users.json").read_bytes()
        done = _reset(home, "alice", password="new password")
        assert (done.returncode, "supervisor is running" in done.stderr) == (1, True)
        assert (home / "users.json").read_bytes() == before
    finally:
        supervisor.close()
