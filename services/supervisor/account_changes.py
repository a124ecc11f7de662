"""What each change makes of the accounts. Pure."""

import copy
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from services.supervisor.account_args import RefusedError, bad, hash_of, role_of, text_of
from services.supervisor.account_book import Book
from shared.models.account import ApiToken, Role
from shared.models.account_change import AccountOp, Refusal

MAX_TOKENS: Final = 1000
MAX_TOKEN_NAME: Final = 64
MAX_TIME: Final = 1e11
"""Epoch seconds."""
MAX_APPLIED: Final = 200
"""How many command ids a users.json remembers."""

_TOKEN_ID: Final = re.compile(r"[a-z0-9]{4,32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def change(book: Book, command_id: str, args: Mapping[str, Any], now: float) -> tuple[Book, str]:
    """A new book with the change in it, and what was done. The given one stays as it is.

    `now` in epoch seconds.

    Raises:
        RefusedError: the change is not allowed or makes no sense.
    """
    new = copy.copy(book)
    new.accounts, new.tokens = dict(book.accounts), dict(book.tokens)
    new.applied = dict(book.applied)
    new.user_extra = dict(book.user_extra)
    new.raise_epoch(now)
    try:
        operation = _OPERATIONS[AccountOp(text_of(args, "op"))]
    except ValueError:
        raise bad("op is unknown") from None
    done = operation(new, args, now)
    new.applied[command_id] = done
    while len(new.applied) > MAX_APPLIED:
        del new.applied[next(iter(new.applied))]
    return new, done


def _setup(book: Book, args: Mapping[str, Any], now: float) -> str:
    _need_no_users(book)
    book.add(args, Role.ADMIN, now)
    book.enabled = True
    return f"created the first user '{args['username']}' and switched authentication on"


def _skip_setup(book: Book, _args: Mapping[str, Any], _now: float) -> str:
    _need_no_users(book)
    book.enabled, book.setup_skipped = False, True
    return "skipped the setup: authentication is off"


def _enable(book: Book, _args: Mapping[str, Any], _now: float) -> str:
    if not book.accounts:
        raise RefusedError(Refusal.NO_USERS, "Create a user first.")
    if book.enabled:
        return "authentication was on already"
    active = any(a.role is Role.ADMIN and not a.disabled for a in book.accounts.values())
    if not (active and book.settings.local_login):
        raise RefusedError(
            Refusal.NO_USERS,
            "No administrator could log in then: `dumb users reset NAME --enable` lets one in, "
            "and the mode in users.json has to be local.",
        )
    # No authority is needed: this takes rights away, from all alike (contract auth.md 7).
    book.enabled = True
    return "switched authentication on"


def _disable(book: Book, args: Mapping[str, Any], _now: float) -> str:
    if book.enabled:
        book.need_admin(args)
        book.enabled = False
        return "switched authentication off"
    return "authentication was off already"


def _create_user(book: Book, args: Mapping[str, Any], now: float) -> str:
    first = not book.accounts
    if first:
        book.add(args, Role.ADMIN, now)
        book.enabled, book.setup_skipped = True, False
    else:
        book.need_admin(args)
        book.add(args, role_of(args), now)
    return f"created the user '{args['username']}'"


def _set_user(book: Book, args: Mapping[str, Any], _now: float) -> str:
    book.need_admin(args)
    account = book.account(args)
    disabled = args.get("disabled", account.disabled)
    if not isinstance(disabled, bool):
        raise bad("disabled must be true or false")
    role = role_of(args) if "role" in args else account.role
    # A user who is let in again starts anew: what was issued before stays worthless.
    epoch = book.epoch if disabled and not account.disabled else account.tokens_epoch
    book.accounts[account.username] = replace(
        account, disabled=disabled, role=role, tokens_epoch=epoch
    )
    if disabled != account.disabled or role is not account.role:
        book.keep_one_admin()
    return f"set '{account.username}' to {role}{', disabled' if disabled else ''}"


def _delete_user(book: Book, args: Mapping[str, Any], _now: float) -> str:
    book.need_admin(args)
    if args.get("by") == args.get("username"):
        raise RefusedError(Refusal.OWN_ACCOUNT, "You cannot delete your own account.")
    account = book.account(args)
    if len(book.accounts) == 1:
        raise RefusedError(Refusal.LAST_USER, "The last user cannot be deleted.")
    del book.accounts[account.username]
    book.user_extra.pop(account.username, None)
    book.keep_one_admin()
    book.drop_tokens(account.username)
    return f"deleted the user '{account.username}'"


def _set_password(book: Book, args: Mapping[str, Any], _now: float) -> str:
    name = text_of(args, "username")
    book.need_admin_or(args, name)
    account = book.account(args)
    book.accounts[name] = replace(account, password=hash_of(args), tokens_epoch=book.epoch)
    dropped = 0 if args.get("keep_api_tokens") is True else book.drop_tokens(name)
    return f"changed the password of '{name}', revoked all logins and {dropped} API tokens"


def _upgrade_hash(book: Book, args: Mapping[str, Any], _now: float) -> str:
    account = book.account(args)
    if not secrets.compare_digest(account.password.encode(), text_of(args, "old_hash").encode()):
        raise RefusedError(Refusal.CHANGED, "The password was changed meanwhile.")
    book.accounts[account.username] = replace(account, password=hash_of(args))
    return f"stored the password of '{account.username}' in a stronger form"


def _create_token(book: Book, args: Mapping[str, Any], _now: float) -> str:
    tree = args.get("token")
    try:
        token = ApiToken.from_tree(tree if isinstance(tree, Mapping) else {})
    except (KeyError, TypeError, ValueError):
        raise bad("token is none") from None
    book.need_admin_or(args, token.owner)
    owner = book.account({"username": token.owner})
    if not _TOKEN_ID.fullmatch(token.id) or not _SHA256.fullmatch(token.hash):
        raise bad("id or hash of the token")
    if not 0 < len(token.name) <= MAX_TOKEN_NAME:
        raise bad(f"the name of a token has 1 to {MAX_TOKEN_NAME} characters")
    if not all(0 <= at <= MAX_TIME for at in (token.created_at, token.expires_at or 0.0)):
        raise bad("the times of the token")
    if not owner.role.covers(token.role):
        raise RefusedError(Refusal.NOT_ALLOWED, "A token cannot do more than its owner.")
    if token.id in book.tokens or len(book.tokens) >= MAX_TOKENS:
        raise RefusedError(Refusal.TOO_MANY, "There are too many API tokens.")
    book.tokens[token.id] = token
    return f"created the API token '{token.name}' ({token.id}, {token.role}) of '{token.owner}'"


def _delete_token(book: Book, args: Mapping[str, Any], _now: float) -> str:
    token = book.tokens.get(text_of(args, "id"))
    if token is None:
        raise RefusedError(Refusal.UNKNOWN_TOKEN, "There is no such API token.")
    book.need_admin_or(args, token.owner)
    del book.tokens[token.id]
    return f"deleted the API token '{token.name}' ({token.id}) of '{token.owner}'"


_OPERATIONS: Final[dict[AccountOp, Callable[[Book, Mapping[str, Any], float], str]]] = {
    AccountOp.SETUP: _setup,
    AccountOp.SKIP_SETUP: _skip_setup,
    AccountOp.ENABLE: _enable,
    AccountOp.DISABLE: _disable,
    AccountOp.CREATE_USER: _create_user,
    AccountOp.SET_USER: _set_user,
    AccountOp.DELETE_USER: _delete_user,
    AccountOp.SET_PASSWORD: _set_password,
    AccountOp.UPGRADE_HASH: _upgrade_hash,
    AccountOp.CREATE_TOKEN: _create_token,
    AccountOp.DELETE_TOKEN: _delete_token,
}


def _need_no_users(book: Book) -> None:
    if book.accounts:
        raise RefusedError(Refusal.USERS_EXIST, "Setup is complete: users exist already.")
