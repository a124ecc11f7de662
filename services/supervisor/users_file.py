"""users.json: the original's file with what it lacks beside it, so that both can read it.

The original's keys keep their meaning (contract auth.md 1). Ours stand apart: `epoch`, `accounts`
(role and dates by name), `api_tokens`, `applied_commands`. Blocking: call it in a thread.
"""

import logging
from pathlib import Path
from typing import Any, Final

from services.supervisor.account_book import Book, new_secret
from services.supervisor.account_changes import MAX_TIME
from shared.config.document import load_document, save_document
from shared.errors import ConfigError
from shared.models.account import MAX_EPOCH, Account, ApiToken, Role

_log = logging.getLogger(__name__)

MIN_SECRET_BYTES: Final = 32
_USER_KEYS: Final = frozenset({"username", "password", "disabled"})
_KEYS: Final = frozenset({"enabled", "users", "jwt_secret", "setup_skipped", "mode", "epoch"})
_OWN_KEYS: Final = frozenset({"accounts", "api_tokens", "applied_commands"})


def load_users(path: Path) -> Book:
    """The accounts in `path`.

    Raises:
        ConfigError: it cannot be read, or is not what it should be. One sentence, no secrets.
    """
    return _parsed(load_document(path), path)


def _parsed(tree: dict[str, Any], path: Path) -> Book:
    try:
        return parse_users(tree)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"is no usable list of accounts: {error}", file=str(path)) from error


def save_users(path: Path, book: Book) -> None:
    """Replace `path` atomically and durably; nobody else may read it (0600).

    Raises:
        ConfigError: it cannot be written, or not be read back; the old one is intact.
    """
    tree = render_users(book)
    _parsed(tree, path)
    try:
        if path.exists():
            path.resolve().chmod(0o600)  # the original creates it readable for all
    except OSError as error:
        why = f"its access rights cannot be set: {error.strerror}"
        raise ConfigError(why, file=str(path)) from error
    save_document(path, tree)


def parse_users(tree: dict[str, Any]) -> Book:
    """Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError` for a malformed tree."""
    entries, tokens = tree.get("users", []), tree.get("api_tokens", [])
    notes, applied = tree.get("accounts", {}), tree.get("applied_commands", {})
    if not isinstance(entries, list) or not isinstance(tokens, list):
        raise TypeError("'users' and 'api_tokens' must be lists")
    if not isinstance(notes, dict) or not isinstance(applied, dict):
        raise TypeError("'accounts' and 'applied_commands' must be objects")
    book = Book(
        secret=_secret(tree.get("jwt_secret")),
        epoch=_whole(tree.get("epoch", 0), "epoch"),
        enabled=_flag(tree.get("enabled", False), "enabled"),
        setup_skipped=_flag(tree.get("setup_skipped", False), "setup_skipped"),
        mode=_text(tree.get("mode") or "local", "mode"),
        extra={k: v for k, v in tree.items() if k not in _KEYS | _OWN_KEYS},
    )
    for number, entry in enumerate(entries):
        account = _account(entry, number, notes)
        if account.username in book.accounts:
            raise ValueError(f"users[{number}]: '{account.username}' stands twice")
        book.accounts[account.username] = account
        more = {k: v for k, v in entry.items() if k not in _USER_KEYS}
        if more:
            book.user_extra[account.username] = more
    for item in tokens:
        token = ApiToken.from_tree(item)
        book.tokens[token.id] = token
    for command_id, done in applied.items():
        book.applied[_text(command_id, "applied_commands")] = _text(done, "applied_commands")
    return book


def render_users(book: Book) -> dict[str, Any]:
    """The file's tree: the original's keys first."""
    accounts = book.accounts.values()
    return {
        "enabled": book.enabled,
        "users": [
            {
                "username": account.username,
                "password": account.password,
                "disabled": account.disabled,
                **book.user_extra.get(account.username, {}),
            }
            for account in accounts
        ],
        "jwt_secret": book.secret,
        "setup_skipped": book.setup_skipped,
        "mode": book.mode,
        **book.extra,
        "epoch": book.epoch,
        "accounts": {
            account.username: {
                "role": account.role.value,
                "created_at": account.created_at,
                "tokens_epoch": account.tokens_epoch,
            }
            for account in accounts
        },
        "api_tokens": [
            {
                "id": token.id,
                "name": token.name,
                "hash": token.hash,
                "role": token.role.value,
                "owner": token.owner,
                "created_at": token.created_at,
                "expires_at": token.expires_at,
            }
            for token in book.tokens.values()
        ],
        "applied_commands": book.applied,
    }


def _account(entry: Any, number: int, notes: dict[str, Any]) -> Account:
    where = f"users[{number}]"
    if not isinstance(entry, dict):
        raise TypeError(f"{where} must be an object")
    name = _text(entry.get("username"), f"{where}.username")
    note = notes.get(name) or {}
    return Account(
        username=name,
        password=_text(entry.get("password"), f"{where}.password"),
        disabled=_flag(entry.get("disabled", False), f"{where}.disabled"),
        role=Role(note.get("role", Role.ADMIN)),
        created_at=_time(note.get("created_at", 0), f"the created_at of '{name}'"),
        tokens_epoch=_whole(note.get("tokens_epoch", 0), "tokens_epoch"),
    )


def _secret(value: Any) -> str:
    if value is None or value == "":
        return new_secret()
    if len(_text(value, "jwt_secret").encode()) < MIN_SECRET_BYTES:
        _log.warning("jwt_secret is shorter than %d bytes: a new one was made, and everybody "
                     "has to log in again", MIN_SECRET_BYTES)  # fmt: skip
        return new_secret()
    return str(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{where} must be text")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{where} must be true or false")
    return value


def _time(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_TIME:
        raise TypeError(f"{where} must be seconds since 1970")
    return float(value)


def _whole(value: Any, where: str) -> int:
    """Epochs: they rise, and have to fit into 64 bits after that too."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_EPOCH:
        raise TypeError(f"{where} must be a whole number of at most {MAX_EPOCH}")
    return value
