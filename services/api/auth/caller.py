"""What a client shows besides its credentials: its address, its device token, its ticket.

Programs send headers. Browsers send cookies, so pages that know nothing of either profit too.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

DEVICE_HEADER: Final = "x-device-token"
DEVICE_COOKIE: Final = "dumb_device"
DEVICE_LIFE_S: Final = 365 * 86400
TICKET_HEADER: Final = "x-login-ticket"
TICKET_COOKIE: Final = "dumb_login_ticket"

MAX_ADDRESS: Final = 64
"""Characters. An address of IPv6 with a zone has at most 62."""
_DEVICE: Final = re.compile(r"dumbdev_[A-Za-z0-9_-]{43}")
_MAX_TICKET: Final = 128


@dataclass(frozen=True, slots=True)
class Caller:
    """`device` is the SHA-256 of a device token, in hexadecimal; "" without one."""

    address: str
    device: str = ""
    ticket: str = field(default="", repr=False)


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sent a request or opened a socket."""
    device = _shown(connection, DEVICE_HEADER, DEVICE_COOKIE)
    ticket = _shown(connection, TICKET_HEADER, TICKET_COOKIE)
    return Caller(
        client_address(connection),
        device_hash(device) if _DEVICE.fullmatch(device) else "",
        ticket if len(ticket) <= _MAX_TICKET else "",
    )


def client_address(connection: HTTPConnection) -> str:
    """Where a request or a socket came from: the peer, or what a trusted proxy says."""
    return connection.client.host[:MAX_ADDRESS] if connection.client else "unknown"


def new_device() -> str:
    """A device token: 256 random bits."""
    return f"dumbdev_{secrets.token_urlsafe(32)}"


def device_hash(token: str) -> str:
    """What is stored of a device token."""
    return hashlib.sha256(token.encode()).hexdigest()


def hand_out_device(answer: Response, token: str, *, https: bool) -> None:
    """Give a client its device token: programs read the header, browsers keep the cookie."""
    answer.headers[DEVICE_HEADER] = token
    answer.set_cookie(
        DEVICE_COOKIE,
        token,
        max_age=DEVICE_LIFE_S,
        path="/",
        secure=https,
        httponly=True,
        samesite="strict",
    )


def _shown(connection: HTTPConnection, header: str, cookie: str) -> str:
    sent = connection.headers.get(header, "").strip()
    return sent or connection.cookies.get(cookie, "")
