"""users.json: the original's format, kept so that going back works."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.supervisor.account_book import Book, new_secret
from services.supervisor.accounts import MARK, Accounts
from services.supervisor.users_file import load_users, save_users
from shared.bus.keys import Keys
from shared.errors import ConfigError
from shared.models.account import Role
from tests.support.claim import NO_FENCE

HASH = "$2b$12$" + "a" * 53
ORIGINAL: dict[str, Any] = {
    "enabled": True,
    "users": [
        {"username": "zoe", "password": HASH, "disabled": False},
        {"username": "al", "password": HASH, "disabled": True, "note": "kept"},
    ],
    "jwt_secret": "s" * 43,
    "setup_skipped": False,
    "mode": "hybrid",
    "oidc": {"client_id": "kept"},
    "later": [1, {"x": None}],
}


def _write(path: Path, tree: Any) -> Path:
    path.write_text(json.dumps(tree))
    return path


def test_there_and_back(tmp_path: Path) -> None:
    path = _write(tmp_path / "users.json", ORIGINAL)
    path.chmod(0o644)
    book = load_users(path)
    assert list(book.accounts) == ["zoe", "al"]
    assert {account.role for account in book.accounts.values()} == {Role.ADMIN}
    assert (book.secret, book.settings.mode, book.settings.users) == ("s" * 43, "hybrid", 2)
    save_users(path, book)
    tree = json.loads(path.read_text())
    assert {key: tree[key] for key in ORIGINAL} == ORIGINAL
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_users(path) == book
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "changes",
    [
        {"users": None},
        {"users": {}},
        {"users": ["x"]},
        {"users": [{"username": "al"}]},
        {"users": [{"username": "", "password": HASH}]},
        {"users": [{"username": "al", "password": HASH, "disabled": "no"}]},
        {"users": [{"username": "al", "password": HASH}] * 2},
        {"enabled": 1},
        {"enabled": None},
        {"setup_skipped": "x"},
        {"jwt_secret": 7},
        {"mode": 7},
        {"epoch": -1},
        {"epoch": 1.5},
        {"accounts": []},
        {"accounts": {"zoe": {"role": "root"}}},
        {"accounts": {"zoe": {"tokens_epoch": "x"}}},
        {"accounts": {"zoe": 7}},
        {"api_tokens": {}},
        {"api_tokens": [{}]},
        {"applied_commands": [1]},
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = _write(tmp_path / "users.json", ORIGINAL | changes)
    with pytest.raises(ConfigError) as refused:
        load_users(path)
    assert str(path) in str(refused.value)
    assert HASH not in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"users":[],"users":[]}'])
def test_what_is_no_json_is_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "users.json"
    path.write_bytes(data)
    accounts = Accounts(path, tmp_path, Keys(), NO_FENCE)
    accounts.load()
    assert str(path) in accounts.problem
    assert path.read_bytes() == data


def test_a_weak_secret_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = load_users(_write(tmp_path / "users.json", ORIGINAL | {"jwt_secret": "short"}))
    assert len(book.secret) == 43
    assert "log in again" in caplog.text
    assert len(load_users(_write(tmp_path / "u.json", {})).secret) == 43


def test_a_file_is_begun_once(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    accounts = Accounts(path, tmp_path, Keys(), NO_FENCE)
    accounts.load()
    assert accounts.problem == ""
    assert path.stat().st_mode & 0o777 == 0o600
    first = json.loads(path.read_text())
    accounts.load()
    second = json.loads(path.read_text())
    assert second["jwt_secret"] == first["jwt_secret"]
    assert second["epoch"] > first["epoch"]
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize("left", [None, {}, {"users": []}])
def test_users_do_not_become_none(tmp_path: Path, left: Any) -> None:
    path = _write(tmp_path / "users.json", ORIGINAL)
    Accounts(path, tmp_path, Keys(), NO_FENCE).load()
    if left is None:
        path.unlink()
    else:
        _write(path, left)
    accounts = Accounts(path, tmp_path, Keys(), NO_FENCE)
    accounts.load()
    assert str(tmp_path / MARK) in accounts.problem
    (tmp_path / MARK).unlink()  # as the sentence says
    accounts.load()
    assert accounts.problem == ""


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be saved"):
        save_users(tmp_path / "none" / "users.json", Book(new_secret()))
