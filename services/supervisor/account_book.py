"""The accounts as a value: what a users.json says, and who may change it. Pure."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.supervisor.account_args import RefusedError, hash_of, text_of
from shared.models.account import Account, ApiToken, AuthSettings, Role
from shared.models.account_change import Refusal
from shared.usernames import name_key, username_problem

MAX_USERS: Final = 1000


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

    def raise_epoch(self, now: float, above: int = 0) -> None:
        """A number that no earlier state ever had, even if this one came out of a backup.

        `above`: an epoch that another supervisor published, whose sessions may stand in Redis.
        """
        self.epoch = max(self.epoch + 1, above + 1, int(now * 1000))

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
        name = text_of(args, "username")
        account = self.accounts.get(name)
        if account is None:
            raise RefusedError(Refusal.UNKNOWN_USER, f"There is no user '{name[:128]}'.")
        return account

    def add(self, args: Mapping[str, Any], role: Role, now: float) -> None:
        """A new account. Raises `RefusedError`."""
        name = text_of(args, "username")
        problem = username_problem(name)
        if problem:
            raise RefusedError(Refusal.BAD_NAME, problem)
        if name_key(name) in {name_key(known) for known in self.accounts}:
            sentence = f"The name '{name}' is taken, or looks like one that is."
            raise RefusedError(Refusal.NAME_TAKEN, sentence)
        if len(self.accounts) >= MAX_USERS:
            raise RefusedError(Refusal.TOO_MANY, f"There are {MAX_USERS} users already.")
        self.accounts[name] = Account(
            name, hash_of(args), role=role, created_at=round(now, 3), tokens_epoch=self.epoch
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
