"""Signed tokens (contract auth.md 2). The one module that knows python-jose.

python-jose is what the project is asked to use. Its known faults are those of forms that never
reach it: confused algorithms (CVE-2024-33663: we name HS256 alone, and the key is no public one)
and compressed JWE bombs (CVE-2024-33664: nothing here decrypts). Both are fixed in 3.4.

To replace it, rewrite `encode`, `peek` and `_decode`, for example with PyJWT: `jwt.encode`,
`jwt.decode(..., algorithms=["HS256"], options={"require": ["exp", "sub"], "verify_aud": False})`,
and its `PyJWTError` in `_guarded`. Tokens that were issued stay valid: it is HS256 with the same
key. tests/auth/test_walk.py holds what is refused.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from jose import jwt
from jose.exceptions import JOSEError

ALGORITHM: Final = "HS256"
MAX_TOKEN_CHARS: Final = 4096
"""Ours have about 300. A longer one is not looked at."""
MAX_EXP: Final = 1e11
"""Epoch seconds, three thousand years from now: no honest token lasts longer (NaN fails too)."""
_OPTIONS: Final = {"verify_aud": False, "require_exp": True, "require_sub": True, "leeway": 0}


class InvalidTokenError(Exception):
    """Not a token of ours, or no longer. Callers learn no more, and neither do clients."""


class TokenKind(StrEnum):
    """The claim `type`."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times in epoch seconds. `jti` and `family` "": the original issued it."""

    sub: str
    kind: TokenKind
    exp: int
    provider: str = "local"
    groups: tuple[str, ...] = ()
    iat: int = 0
    jti: str = ""
    family: str = ""

    @property
    def original(self) -> bool:
        """Whether it is a token of the original."""
        return not self.jti and not self.family


def new_id() -> str:
    """A `jti` or the name of a family: 128 random bits."""
    return secrets.token_urlsafe(16)


def encode(claims: Claims, secret: str) -> str:
    """The signed token; the same claims give the same text."""
    payload: dict[str, Any] = {
        "sub": claims.sub,
        "exp": claims.exp,
        "type": claims.kind.value,
        "provider": claims.provider,
        "groups": list(claims.groups),
        "iat": claims.iat,
        "jti": claims.jti,
        "fam": claims.family,
    }
    return str(jwt.encode(payload, secret, algorithm=ALGORITHM))


def peek(token: str) -> Claims:
    """What a token claims, unchecked: enough to look up whom it would be about.

    Raises:
        InvalidTokenError: it has not the form of one of our tokens.
    """
    if len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise InvalidTokenError
    return _claims(_guarded(jwt.get_unverified_claims, token))


def verify(token: str, secret: str) -> Claims:
    """What a token of ours says that has not expired. HS256, whatever its header names.

    Raises:
        InvalidTokenError: anything else, whatever is wrong with it.
    """
    peek(token)
    claims = _claims(_guarded(_decode, token, secret))
    if claims.exp <= time.time():  # python-jose lets it live to the end of that second
        raise InvalidTokenError
    return claims


def original_family(token: str) -> str:
    """The family under which the use of a token of the original is remembered."""
    return "o-" + hashlib.sha256(token.encode()).hexdigest()[:40]


def _decode(token: str, secret: str) -> Any:
    if not secret:
        raise InvalidTokenError
    return jwt.decode(token, secret, algorithms=[ALGORITHM], options=dict(_OPTIONS))


def _guarded(work: Any, *args: str) -> Any:
    try:
        return work(*args)
    # What python-jose raises, and what passes through it: it reads text of a stranger's making.
    except (JOSEError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidTokenError from error
    except OverflowError as error:
        raise InvalidTokenError from error


def _claims(tree: Any) -> Claims:
    if not isinstance(tree, Mapping):
        raise InvalidTokenError
    sub, exp = tree.get("sub"), tree.get("exp")
    if not isinstance(sub, str) or not sub or not _encodable(sub):
        raise InvalidTokenError
    if isinstance(exp, bool) or not isinstance(exp, int | float) or not 0 < exp < MAX_EXP:
        raise InvalidTokenError
    try:
        kind = TokenKind(str(tree.get("type")))
    except ValueError:
        raise InvalidTokenError from None
    groups = tree.get("groups")
    jti, family = _short(tree.get("jti")), _short(tree.get("fam"))
    if bool(jti) != bool(family):  # ours have both, the original's neither
        raise InvalidTokenError
    return Claims(
        sub=sub,
        kind=kind,
        exp=int(exp),
        provider=_short(tree.get("provider")) or "local",
        groups=tuple(g for g in groups if isinstance(g, str)) if isinstance(groups, list) else (),
        iat=_whole(tree.get("iat")),
        jti=jti,
        family=family,
    )


def _short(value: Any) -> str:
    """A text claim; "" when absent. Anything else in its place makes the token none of ours."""
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > 64 or not value.isascii():
        raise InvalidTokenError
    return value


def _whole(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidTokenError
    return value


def _encodable(text: str) -> bool:
    try:
        json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
