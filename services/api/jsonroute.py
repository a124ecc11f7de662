"""Bodies parsed with orjson: strict JSON, and every fault of it is a 422."""

from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body. Raises `json.JSONDecodeError`: not UTF-8, NaN, half a surrogate, too deep."""
        return orjson.loads(await self.body())


class JsonRoute(APIRoute):
    """For routers whose requests have bodies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handler(_StrictRequest(request.scope, request.receive))

        return strict
