"""The accounts as a value: what a users.json says, and what each change makes of it. Pure."""

import copy
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shared.models.account import Account, ApiToken, AuthSettings, Role
from shared.models.account_change import AccountOp, Refusal
from shared.usernames import name_key, username_problem

MAX_USERS: Final = 1000
MAX_TOKENS: Final = 1000
MAX_APPLIED: Final = 200
"""How many command ids a users.json remembers."""

_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=\d{1,7},t=\d{1,3},p=\d{1,3}\$[A-Za-z0-9+/]{8,128}\$[A-Za-z0-9+/]{16,128}"
    r"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
)
_TOKEN_ID: Final = re.compile(r"[a-z0-9]{4,32}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class RefusedError(Exception):
    """A change that is not made. `str(error)` is a sentence for its user."""

    def __init__(self, code: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(slots=True)
class Book:
    """All accounts. Unknown keys of the file it came from are kept in the `extra`s."""

    secret: str = field(repr=False)
    epoch: int = 0
    enabled: bool = False
    setup_skipped: bool = False
    mode: str = "local"
    accounts: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, ApiToken] = field(default_factory=dict)
    applied: dict[str, str] = field(default_factory=dict)
    """Command ids that this state contains already, with what was done; oldest first."""
    extra: dict[str, Any] = field(default_factory=dict)
    user_extra: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def settings(self) -> AuthSettings:
        """What everybody may know."""
        mode = self.mode if self.mode in {"local", "oidc", "hybrid"} else "local"
        users, tokens = len(self.accounts), len(self.tokens)
        return AuthSettings(self.epoch, self.enabled, self.setup_skipped, mode, users, tokens)

    def raise_epoch(self, now: float) -> None:
        """A number that no earlier state ever had, even if this one came out of a backup."""
        self.epoch = max(self.epoch + 1, int(now * 1000))

    def changed(self, command_id: str, args: Mapping[str, Any], now: float) -> tuple["Book", str]:
        """A new book with the change in it, and what was done. This one stays as it is.

        `now` in epoch seconds.

        Raises:
            RefusedError: the change is not allowed or makes no sense.
        """
        book = copy.copy(self)
        book.accounts, book.tokens = dict(self.accounts), dict(self.tokens)
        book.applied = dict(self.applied)
        book.user_extra = dict(self.user_extra)
        book.raise_epoch(now)
        try:
            operation = _OPERATIONS[AccountOp(_text(args, "op"))]
        except ValueError:
            raise _bad("op is unknown") from None
        done = operation(book, args, now)
        book.applied[command_id] = done
        while len(book.applied) > MAX_APPLIED:
            del book.applied[next(iter(book.applied))]
        return book, done

    # -- who may ---------------------------------------------------------------------------

    def need_admin(self, args: Mapping[str, Any]) -> None:
        """Raises `RefusedError` unless the change is made by an active administrator."""
        actor = self.actor(args)
        if actor is None or actor.role is not Role.ADMIN:
            raise RefusedError(Refusal.NOT_ALLOWED, "Only an administrator may do this.")

    def need_admin_or(self, args: Mapping[str, Any], username: str) -> None:
        """The same, but for the user's own account."""
        actor = self.actor(args)
        if actor is None or actor.username != username:
            self.need_admin(args)

    def actor(self, args: Mapping[str, Any]) -> Account | None:
        """The active user on whose authority this happens."""
        name = args.get("by")
        account = self.accounts.get(name) if isinstance(name, str) else None
        return account if account is not None and not account.disabled else None

    # -- what is there ---------------------------------------------------------------------

    def account(self, args: Mapping[str, Any]) -> Account:
        """The account that `args` names. Raises `RefusedError`."""
        name = _text(args, "username")
        account = self.accounts.get(name)
        if account is None:
            raise RefusedError(Refusal.UNKNOWN_USER, f"There is no user '{name[:128]}'.")
        return account

    def add(self, args: Mapping[str, Any], role: Role, now: float) -> None:
        """A new account. Raises `RefusedError`."""
        name = _text(args, "username")
        problem = username_problem(name)
        if problem:
            raise RefusedError(Refusal.BAD_NAME, problem)
        if name_key(name) in {name_key(known) for known in self.accounts}:
            sentence = f"The name '{name}' is taken, or looks like one that is."
            raise RefusedError(Refusal.NAME_TAKEN, sentence)
        if len(self.accounts) >= MAX_USERS:
            raise RefusedError(Refusal.TOO_MANY, f"There are {MAX_USERS} users already.")
        self.accounts[name] = Account(
            name, _hash(args), role=role, created_at=round(now, 3), tokens_epoch=self.epoch
        )

    def keep_one_admin(self) -> None:
        """Raises `RefusedError` when nobody could log in, or nobody could manage accounts."""
        active = [account for account in self.accounts.values() if not account.disabled]
        if not active:
            raise RefusedError(Refusal.LAST_ACTIVE, "The last active user cannot be disabled.")
        if all(account.role is not Role.ADMIN for account in active):
            raise RefusedError(Refusal.LAST_ACTIVE, "One active administrator must remain.")

    def drop_tokens(self, owner: str) -> int:
        """Delete a user's API tokens; how many they were."""
        before = len(self.tokens)
        self.tokens = {key: token for key, token in self.tokens.items() if token.owner != owner}
        return before - len(self.tokens)


def new_secret() -> str:
    """32 random bytes as the original writes them: URL-safe base64, 43 characters."""
    return secrets.token_urlsafe(32)


# -- operations ----------------------------------------------------------------------------


def _setup(book: Book, args: Mapping[str, Any], now: float) -> str:
    _need_no_users(book)
    book.add(args, Role.ADMIN, now)
    book.enabled = True
    return f"created the first user '{args['username']}' and switched authentication on"


def _skip_setup(book: Book, _args: Mapping[str, Any], _now: float) -> str:
    _need_no_users(book)
    book.enabled, book.setup_skipped = False, True
    return "skipped the setup: authentication is off"


def _enable(book: Book, args: Mapping[str, Any], _now: float) -> str:
    if not book.accounts:
        raise RefusedError(Refusal.NO_USERS, "Create a user first.")
    book.need_admin(args)
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
        book.add(args, _role(args), now)
    return f"created the user '{args['username']}'"


def _set_user(book: Book, args: Mapping[str, Any], _now: float) -> str:
    book.need_admin(args)
    account = book.account(args)
    disabled = args.get("disabled", account.disabled)
    if not isinstance(disabled, bool):
        raise _bad("disabled must be true or false")
    role = _role(args) if "role" in args else account.role
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
    name = _text(args, "username")
    book.need_admin_or(args, name)
    account = book.account(args)
    book.accounts[name] = replace(account, password=_hash(args), tokens_epoch=book.epoch)
    dropped = 0 if args.get("keep_api_tokens") is True else book.drop_tokens(name)
    return f"changed the password of '{name}', revoked all logins and {dropped} API tokens"


def _upgrade_hash(book: Book, args: Mapping[str, Any], _now: float) -> str:
    account = book.account(args)
    if not secrets.compare_digest(account.password.encode(), _text(args, "old_hash").encode()):
        raise RefusedError(Refusal.CHANGED, "The password was changed meanwhile.")
    book.accounts[account.username] = replace(account, password=_hash(args))
    return f"stored the password of '{account.username}' in a stronger form"


def _create_token(book: Book, args: Mapping[str, Any], _now: float) -> str:
    tree = args.get("token")
    try:
        token = ApiToken.from_tree(tree if isinstance(tree, Mapping) else {})
    except (KeyError, TypeError, ValueError):
        raise _bad("token is none") from None
    book.need_admin_or(args, token.owner)
    owner = book.account({"username": token.owner})
    if not _TOKEN_ID.fullmatch(token.id) or not _SHA256.fullmatch(token.hash):
        raise _bad("id or hash of the token")
    if not owner.role.covers(token.role):
        raise RefusedError(Refusal.NOT_ALLOWED, "A token cannot do more than its owner.")
    if token.id in book.tokens or len(book.tokens) >= MAX_TOKENS:
        raise RefusedError(Refusal.TOO_MANY, "There are too many API tokens.")
    book.tokens[token.id] = token
    return f"created the API token '{token.name}' ({token.id}, {token.role}) of '{token.owner}'"


def _delete_token(book: Book, args: Mapping[str, Any], _now: float) -> str:
    token = book.tokens.get(_text(args, "id"))
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


def _text(args: Mapping[str, Any], name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise _bad(f"{name} must be text")
    return value


def _hash(args: Mapping[str, Any]) -> str:
    value = _text(args, "password_hash")
    if _HASH.fullmatch(value) is None:
        raise _bad("password_hash must be argon2id or bcrypt")
    return value


def _role(args: Mapping[str, Any]) -> Role:
    try:
        return Role(args.get("role", Role.ADMIN))
    except ValueError:
        raise _bad(f"role must be one of {', '.join(Role)}") from None


def _bad(what: str) -> RefusedError:
    return RefusedError(Refusal.BAD_INPUT, f"Not a change of accounts: {what}.")
