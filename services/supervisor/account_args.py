"""What `update-accounts` carries, read with care: it came over Redis. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.models.account import Role
from shared.models.account_change import Refusal

_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=\d{1,7},t=\d{1,3},p=\d{1,3}\$[A-Za-z0-9+/]{8,128}\$[A-Za-z0-9+/]{16,128}"
    r"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
)


class RefusedError(Exception):
    """A change that is not made. `str(error)` is a sentence for its user."""

    def __init__(self, code: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def text_of(args: Mapping[str, Any], name: str) -> str:
    """Raises `RefusedError` unless it is text, and not empty."""
    value = args.get(name)
    if not isinstance(value, str) or not value:
        raise bad(f"{name} must be text")
    return value


def hash_of(args: Mapping[str, Any]) -> str:
    """The hash of a password. Raises `RefusedError`."""
    value = text_of(args, "password_hash")
    if _HASH.fullmatch(value) is None:
        raise bad("password_hash must be argon2id or bcrypt")
    return value


def role_of(args: Mapping[str, Any]) -> Role:
    """Administrator unless it says otherwise, as in the original. Raises `RefusedError`."""
    try:
        return Role(args.get("role", Role.ADMIN))
    except ValueError:
        raise bad(f"role must be one of {', '.join(Role)}") from None


def bad(what: str) -> RefusedError:
    """What to raise for arguments that make no sense."""
    return RefusedError(Refusal.BAD_INPUT, f"Not a change of accounts: {what}.")
