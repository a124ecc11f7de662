"""Tickets: what a 429 gives, and with which the next attempt is checked. Pure but for the clock.

A ticket is signed and not stored, so that asking for tickets costs no memory, and holding many of
them gives nothing. It counts once, within `LIFE_S`, for the account and the place that it was
made for.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from typing import Final

LIFE_S: Final = 120
"""Seconds. Four times the longest wait: `slot` and all `steps` of `limits.Limits`."""

_FORM: Final = re.compile(r"t1\.([0-9a-f]{8,10})\.([0-9a-f]{16})\.([A-Za-z0-9_-]{22})")


def make_ticket(secret: str, pair: str) -> str:
    """A ticket for `pair` (account and place), signed with a key that is derived from `secret`."""
    body = f"t1.{int(time.time()) + LIFE_S:x}.{secrets.token_hex(8)}"
    return f"{body}.{_signature(secret, pair, body)}"


def ticket_id(secret: str, pair: str, ticket: str) -> str:
    """The id of a ticket that was made for `pair` and has not expired; "" for anything else."""
    found = _FORM.fullmatch(ticket)
    if found is None:
        return ""
    expires, name, signature = found.groups()
    expected = _signature(secret, pair, f"t1.{expires}.{name}")
    if not hmac.compare_digest(signature, expected) or int(expires, 16) < time.time():
        return ""
    return name


def _signature(secret: str, pair: str, body: str) -> str:
    key = hmac.digest(secret.encode(), b"dumb login ticket", hashlib.sha256)
    found = hmac.digest(key, f"{pair} {body}".encode(), hashlib.sha256)[:16]
    return base64.urlsafe_b64encode(found).decode().rstrip("=")
