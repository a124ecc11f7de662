"""Who asks, on a route that answers everybody."""

import asyncio
from typing import Final

from redis.exceptions import RedisError
from starlette.requests import Request

from services.api.auth.admission import bearer
from services.api.auth.errors import AuthUnknownError, NotAuthenticatedError
from services.api.auth.principal import judge
from services.api.auth.service import Auth
from shared.models.account import Role

ANSWER_S: Final = 1.0


async def may_see_details(request: Request) -> bool:
    """Whether accounts are off, or the request brings a token that is good for reading.

    What cannot be found out within a second counts as no.
    """
    auth: Auth = request.app.state.auth
    token = bearer(request.headers.getlist("authorization"))
    try:
        async with asyncio.timeout(ANSWER_S):
            known = await auth.gate.look_for(token)
        return not known.settings.enabled or judge(known, token).role.covers(Role.VIEWER)
    except (NotAuthenticatedError, AuthUnknownError, RedisError, OSError):
        return False  # a TimeoutError is an OSError
