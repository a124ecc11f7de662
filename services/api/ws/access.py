"""Which web pages may open a socket. Who its caller is was decided before (auth/access.py)."""

import logging

from starlette.websockets import WebSocket

from services.api.auth.access import accepted_protocol
from services.api.origins import DEFAULT_ORIGINS, allowed_origin

log = logging.getLogger(__name__)

POLICY_VIOLATION = 1008


async def authorize(websocket: WebSocket) -> bool:
    """Whether the caller may go on. If not, the socket has been accepted and closed with 1008.

    A refusal before `accept` would reach a browser as 1006 without a reason (contract 1).
    A request without `Origin` does not come from a web page.
    """
    origin = websocket.headers.get("origin")
    allowed: frozenset[str] = getattr(websocket.app.state, "allowed_origins", DEFAULT_ORIGINS)
    if origin is None or allowed_origin(origin, websocket.headers.get("host", ""), allowed):
        return True
    log.info("A socket of origin %.200r was refused", origin)
    await websocket.accept(accepted_protocol(websocket))
    await websocket.close(POLICY_VIOLATION, "This origin is not in dumb.frontend.origins.")
    return False
