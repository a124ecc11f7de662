"""What `update-accounts` may ask for, and why it may be refused (docs/protocol.md, "Accounts").

`args` of the command: `op`, the operation's own fields, and `by`: the user on whose authority it
happens. No `by` means nobody: that is enough only where no user exists yet. The supervisor checks
it against the accounts of the moment in which it acts, so a decision of the API cannot be
overtaken. Passwords arrive hashed.
"""

from enum import StrEnum


class AccountOp(StrEnum):
    """The operations and their fields."""

    SETUP = "setup"
    """username, password_hash: the first user, and authentication on."""
    SKIP_SETUP = "skip-setup"
    ENABLE = "enable"
    DISABLE = "disable"
    CREATE_USER = "create-user"
    """username, password_hash, role."""
    SET_USER = "set-user"
    """username, and disabled, role or both."""
    DELETE_USER = "delete-user"
    """username."""
    SET_PASSWORD = "set-password"  # noqa: S105 - the name of an operation
    """username, password_hash, keep_api_tokens: revokes the user's tokens."""
    UPGRADE_HASH = "upgrade-hash"
    """username, old_hash, password_hash: same password, better hash; nobody is logged out."""
    CREATE_TOKEN = "create-token"  # noqa: S105
    """token: an `ApiToken` as an object."""
    DELETE_TOKEN = "delete-token"  # noqa: S105
    """id."""


class Refusal(StrEnum):
    """`result.code` in the receipt of a change that was refused."""

    USERS_EXIST = "users_exist"
    NO_USERS = "no_users"
    NAME_TAKEN = "name_taken"
    BAD_NAME = "bad_name"
    BAD_INPUT = "bad_input"
    UNKNOWN_USER = "unknown_user"
    OWN_ACCOUNT = "own_account"
    LAST_USER = "last_user"
    LAST_ACTIVE = "last_active"
    NOT_ALLOWED = "not_allowed"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105
    TOO_MANY = "too_many"
    CHANGED = "changed"
    UNAVAILABLE = "unavailable"
