"""Changes of accounts: every guard, without a file or a Redis."""

from dataclasses import replace
from typing import Any

import pytest

from services.supervisor.account_args import RefusedError
from services.supervisor.account_book import Book, new_secret
from services.supervisor.account_changes import MAX_APPLIED, change
from shared.models.account import Role
from shared.models.account_change import Refusal

ARGON = "$argon2id$v=19$m=19456,t=2,p=1$FMJ4jzGGMAbgnDMGQMj5Pw$dYV4Iz7kzcYxYGFLSlCyXql4PWYpgTSG"
BCRYPT = "$2b$12$" + "a" * 53
TOKEN = {
    "id": "t0ken1",
    "name": "script",
    "hash": "a" * 64,
    "role": "operator",
    "owner": "alice",
    "created_at": 1.0,
    "expires_at": None,
}


def _do(book: Book, op: str, *, now: float = 1000.0, **args: Any) -> Book:
    return change(book, f"c-{book.epoch}", {"op": op, **args}, now)[0]


def _refused(book: Book, op: str, **args: Any) -> Refusal:
    before = (dict(book.accounts), dict(book.tokens), book.epoch, book.enabled)
    with pytest.raises(RefusedError) as refused:
        _do(book, op, **args)
    assert (dict(book.accounts), dict(book.tokens), book.epoch, book.enabled) == before
    assert str(refused.value)
    return refused.value.code


@pytest.fixture
def empty() -> Book:
    return Book(new_secret())


@pytest.fixture
def book(empty: Book) -> Book:
    """Alice the administrator, vera the viewer."""
    first = _do(empty, "setup", username="alice", password_hash=ARGON)
    return _do(
        first, "create-user", username="vera", password_hash=ARGON, role="viewer", by="alice"
    )


def test_the_first_user(empty: Book) -> None:
    first = _do(empty, "setup", username="alice", password_hash=ARGON)
    assert first.enabled
    assert first.accounts["alice"].role is Role.ADMIN
    assert empty.accounts == {}
    assert _refused(first, "setup", username="bobby", password_hash=ARGON) is Refusal.USERS_EXIST
    assert _refused(first, "skip-setup") is Refusal.USERS_EXIST
    assert _refused(empty, "enable") is Refusal.NO_USERS
    made = _do(_do(empty, "skip-setup"), "create-user", username="alice", password_hash=BCRYPT,
               role="viewer")  # fmt: skip
    assert (made.enabled, made.setup_skipped) == (True, False)
    assert made.accounts["alice"].role is Role.ADMIN


def test_the_epoch_only_rises(empty: Book) -> None:
    first = _do(empty, "skip-setup", now=5000.0)
    assert first.epoch == 5_000_000
    assert _do(first, "skip-setup", now=1.0).epoch == 5_000_001  # a clock that was put back


@pytest.mark.parametrize("by", [None, "vera", "nobody", 7])
def test_only_an_active_administrator_changes_accounts(book: Book, by: Any) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("create-user", {"username": "new", "password_hash": ARGON}),
        ("set-user", {"username": "alice", "disabled": True}),
        ("delete-user", {"username": "alice"}),
        ("set-password", {"username": "alice", "password_hash": ARGON}),
        ("disable", {}),
        ("create-token", {"token": TOKEN}),
    ]
    for op, args in calls:
        assert _refused(book, op, by=by, **args) is Refusal.NOT_ALLOWED, op


@pytest.mark.parametrize("by", [None, "vera", "nobody", 7])
def test_anyone_switches_authentication_on(book: Book, by: Any) -> None:
    assert _do(book, "enable", by=by).enabled  # already
    off = _do(book, "disable", by="alice")
    assert not off.enabled
    assert _do(off, "enable", by=by).enabled


def test_never_so_that_no_administrator_could_log_in(book: Book) -> None:
    """By hand a users.json can be put into such a state."""
    off = _do(book, "disable", by="alice")
    off.accounts["alice"] = replace(off.accounts["alice"], disabled=True)
    assert _refused(off, "enable") is Refusal.NO_USERS
    off = _do(book, "disable", by="alice")
    off.mode = "oidc"
    assert _refused(off, "enable") is Refusal.NO_USERS


def test_a_disabled_administrator_is_nobody(book: Book) -> None:
    two = _do(book, "create-user", username="bobby", password_hash=ARGON, by="alice")
    off = _do(two, "set-user", username="bobby", disabled=True, by="alice")
    assert _refused(off, "disable", by="bobby") is Refusal.NOT_ALLOWED


def test_guards_of_the_last_ones(book: Book) -> None:
    assert _refused(book, "set-user", username="alice", disabled=True, by="alice") is (
        Refusal.LAST_ACTIVE
    )
    assert _refused(book, "set-user", username="alice", role="viewer", by="alice") is (
        Refusal.LAST_ACTIVE
    )
    assert _refused(book, "delete-user", username="alice", by="alice") is Refusal.OWN_ACCOUNT
    assert _refused(book, "delete-user", username="nobody", by="alice") is Refusal.UNKNOWN_USER
    two = _do(book, "create-user", username="bobby", password_hash=ARGON, by="alice")
    # One's own account may be disabled while another administrator is active.
    off = _do(two, "set-user", username="alice", disabled=True, by="alice")
    assert off.accounts["alice"].disabled
    alone = _do(_do(off, "delete-user", username="vera", by="bobby"),
                "delete-user", username="alice", by="bobby")  # fmt: skip
    assert list(alone.accounts) == ["bobby"]


@pytest.mark.parametrize("name", ["Alice", "ALICE", "\uff41lice", "al\u00adice", "ali ce"])
def test_names_that_look_like_another(book: Book, name: str) -> None:
    code = _refused(book, "create-user", username=name, password_hash=ARGON, by="alice")
    assert code in {Refusal.NAME_TAKEN, Refusal.BAD_NAME}


@pytest.mark.parametrize(
    "args",
    [
        {},
        {"op": "nothing"},
        {"op": 7},
        {"op": "create-user", "by": "alice"},
        {"op": "create-user", "by": "alice", "username": "new", "password_hash": "password"},
        {"op": "create-user", "by": "alice", "username": "new", "password_hash": ARGON,
         "role": "root"},
        {"op": "create-user", "by": "alice", "username": ["new"], "password_hash": ARGON},
        {"op": "set-user", "by": "alice", "username": "vera", "disabled": "yes"},
        {"op": "create-token", "by": "alice", "token": "x"},
        {"op": "create-token", "by": "alice", "token": TOKEN | {"hash": "x"}},
        {"op": "create-token", "by": "alice", "token": TOKEN | {"id": "../x"}},
    ],
)  # fmt: skip
def test_nonsense_changes_nothing(book: Book, args: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        change(book, "c", args, 1000.0)
    assert refused.value.code is Refusal.BAD_INPUT
    assert list(book.accounts) == ["alice", "vera"]


def test_what_ends_logins(book: Book) -> None:
    def epoch(changed: Book) -> int:
        return changed.accounts["vera"].tokens_epoch

    before = epoch(book)
    assert before > 0
    password: dict[str, Any] = {"username": "vera", "password_hash": BCRYPT, "by": "vera"}
    assert epoch(_do(book, "set-password", **password)) > before
    off = _do(book, "set-user", username="vera", disabled=True, by="alice")
    assert epoch(off) > before
    assert epoch(_do(off, "set-user", username="vera", disabled=False, by="alice")) == epoch(off)
    gone = _do(book, "delete-user", username="vera", by="alice")
    again = _do(gone, "create-user", username="vera", password_hash=ARGON, by="alice")
    assert epoch(again) > before
    harmless: list[dict[str, Any]] = [
        {"op": "set-user", "username": "vera", "role": "operator", "by": "alice"},
        {"op": "upgrade-hash", "username": "vera", "old_hash": ARGON, "password_hash": BCRYPT},
    ]
    for args in harmless:
        assert epoch(_do(book, **args)) == before


def test_a_hash_is_upgraded_only_from_what_was_verified(book: Book) -> None:
    args: dict[str, Any] = {"username": "vera", "old_hash": BCRYPT, "password_hash": ARGON}
    assert _refused(book, "upgrade-hash", **args) is Refusal.CHANGED


def test_api_tokens_go_with_their_owner(book: Book) -> None:
    mine: dict[str, Any] = {"token": TOKEN | {"owner": "vera", "role": "viewer"}}
    assert _refused(book, "create-token", by="vera", token=TOKEN | {"owner": "vera"}) is (
        Refusal.NOT_ALLOWED  # more than its owner may
    )
    made = _do(book, "create-token", by="vera", **mine)
    assert list(made.tokens) == ["t0ken1"]
    assert _refused(made, "create-token", by="vera", **mine) is Refusal.TOO_MANY
    assert _refused(made, "delete-token", by="vera", id="other") is Refusal.UNKNOWN_TOKEN
    password: dict[str, Any] = {"username": "vera", "password_hash": BCRYPT, "by": "alice"}
    assert _do(made, "set-password", **password).tokens == {}
    assert _do(made, "set-password", keep_api_tokens=True, **password).tokens
    assert _do(made, "delete-user", username="vera", by="alice").tokens == {}
    assert _do(made, "delete-token", by="alice", id="t0ken1").tokens == {}
    assert book.tokens == {}


def test_applied_commands_are_remembered_but_not_all_of_them(empty: Book) -> None:
    book = empty
    for number in range(MAX_APPLIED + 5):
        book = change(book, f"c-{number}", {"op": "skip-setup"}, 1.0)[0]
    assert len(book.applied) == MAX_APPLIED
    assert list(book.applied)[-1] == f"c-{MAX_APPLIED + 4}"
