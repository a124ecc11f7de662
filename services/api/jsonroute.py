"""Bodies parsed with orjson: strict JSON, and every fault of it is a 422."""

from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response


class ParsedRoute(APIRoute):
    """A route whose requests parse their bodies in a way of their own."""

    request_class: ClassVar[type[Request]] = Request

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def parsed(request: Request) -> Response:
            return await handler(self.request_class(request.scope, request.receive))

        return parsed


class _JsonRequest(Request):
    async def json(self) -> Any:
        """The body. Raises `json.JSONDecodeError`: not UTF-8, NaN, half a surrogate, too deep."""
        return orjson.loads(await self.body())


class JsonRoute(ParsedRoute):
    """For routers whose requests have bodies."""

    request_class = _JsonRequest
