"""Accounts, their settings and API tokens, as they stand in `dumb:auth:*` (docs/protocol.md)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson


class Role(StrEnum):
    """What somebody may do. A later one may do everything that an earlier one may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Larger means more."""
        return _RANKS[self.value]

    def covers(self, needed: "Role") -> bool:
        """Whether this role is enough where `needed` is asked for."""
        return self.rank >= needed.rank


_RANKS: Final = {"viewer": 0, "operator": 1, "admin": 2}


def least(*roles: Role) -> Role:
    """The lowest of these roles."""
    return min(roles, key=lambda role: role.rank)


@dataclass(frozen=True, slots=True)
class Account:
    """One user. `created_at` in epoch seconds, 0 for an account of the original."""

    username: str
    password: str = field(repr=False)
    """argon2id, or the original's bcrypt."""
    disabled: bool = False
    role: Role = Role.ADMIN
    created_at: float = 0.0
    tokens_epoch: int = 0
    """Rises when the user's tokens are revoked. A session is valid under the number it began
    with; 0: never revoked, so tokens that the original issued are honoured too."""
    position: int = 0
    """In the file, whose order clients see."""

    def to_json(self) -> bytes:
        """The value in `dumb:auth:users`."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> "Account":
        """Raises `ValueError` for anything else than an account."""
        try:
            tree = orjson.loads(data)
            return cls(
                username=_text(tree["username"]),
                password=_text(tree["password"]),
                disabled=_flag(tree["disabled"]),
                role=Role(tree["role"]),
                created_at=float(tree["created_at"]),
                tokens_epoch=int(tree["tokens_epoch"]),
                position=int(tree["position"]),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no account: {error!r}") from error


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token for scripts. Times in epoch seconds; `expires_at` None: never."""

    id: str
    name: str
    hash: str
    """SHA-256 of the whole token, in hex."""
    role: Role
    owner: str
    created_at: float
    expires_at: float | None = None

    def to_json(self) -> bytes:
        """The value in `dumb:auth:tokens`."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes | str) -> "ApiToken":
        """Raises `ValueError` for anything else than a token."""
        try:
            return cls.from_tree(orjson.loads(data))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no API token: {error!r}") from error

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "ApiToken":
        """Raises `KeyError`, `TypeError` or `ValueError` for anything else than a token."""
        expires = tree.get("expires_at")
        return cls(
            id=_text(tree["id"]),
            name=_text(tree["name"]),
            hash=_text(tree["hash"]),
            role=Role(tree["role"]),
            owner=_text(tree["owner"]),
            created_at=_time(tree["created_at"]),
            expires_at=None if expires is None else _time(expires),
        )

    def expired(self, now: float) -> bool:
        """Whether it is over at `now`."""
        return self.expires_at is not None and self.expires_at <= now


LOCAL_LOGIN_MODES: Final = frozenset({"local", "hybrid"})


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """`dumb:auth:settings`. `epoch` rises with every change; `users` and `tokens` count."""

    epoch: int
    enabled: bool
    setup_skipped: bool
    mode: str
    users: int
    tokens: int = 0

    @property
    def local_login(self) -> bool:
        """Whether names and passwords count."""
        return self.mode in LOCAL_LOGIN_MODES

    def to_hash(self) -> dict[str, str]:
        """Plain strings, flags as 0 and 1."""
        return {
            "epoch": str(self.epoch),
            "enabled": str(int(self.enabled)),
            "setup_skipped": str(int(self.setup_skipped)),
            "mode": self.mode,
            "users": str(self.users),
            "tokens": str(self.tokens),
        }

    @classmethod
    def from_hash(cls, raw: Mapping[bytes, bytes]) -> "AuthSettings":
        """Raises `ValueError` when anything is missing or of the wrong form."""
        try:
            flags = {name: {b"0": False, b"1": True}[raw[name]] for name in _FLAGS}
            return cls(
                epoch=epoch_of(raw[b"epoch"]),
                enabled=flags[b"enabled"],
                setup_skipped=flags[b"setup_skipped"],
                mode=raw[b"mode"].decode(),
                users=int(raw[b"users"]),
                tokens=int(raw[b"tokens"]),
            )
        except KeyError as error:
            raise ValueError(f"no account settings: {error!r}") from error


_FLAGS: Final = (b"enabled", b"setup_skipped")
MAX_EPOCH: Final = 1 << 62
"""An epoch is milliseconds since 1970, or more. One that rises above this could not be saved."""


def epoch_of(raw: bytes) -> int:
    """The number in a hash of Redis. Raises `ValueError` for what no supervisor would write."""
    epoch = int(raw)
    if not 0 <= epoch <= MAX_EPOCH:
        raise ValueError(f"an epoch is a whole number of at most {MAX_EPOCH}")
    return epoch


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text was expected")
    return value


def _time(value: Any) -> float:
    """What JSON has a number for: `nan` and `inf` are none, though `float` takes them as text."""
    seconds = float(value)
    if not math.isfinite(seconds):
        raise ValueError("a time was expected")
    return seconds


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false was expected")
    return value
