"""Tokens for scripts: `dumb_` and 256 random bits. Only their SHA-256 is kept anywhere."""

import hashlib
import secrets
import time
from typing import Final

from shared.models.account import ApiToken, Role

PREFIX: Final = "dumb_"
MAX_CHARS: Final = 128


def is_api_token(text: str) -> bool:
    """Whether it has the form of one (a JWT never begins so)."""
    return text.startswith(PREFIX) and len(text) <= MAX_CHARS and text.isascii()


def token_hash(text: str) -> str:
    """What `dumb:auth:tokens` has it under. 256 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def make_token(name: str, role: Role, owner: str, expires_at: float | None) -> tuple[str, ApiToken]:
    """A new token and its record. The text is shown once and kept nowhere."""
    text = PREFIX + secrets.token_urlsafe(32)
    record = ApiToken(
        id=secrets.token_hex(6),
        name=name,
        hash=token_hash(text),
        role=role,
        owner=owner,
        created_at=round(time.time(), 3),
        expires_at=expires_at,
    )
    return text, record
