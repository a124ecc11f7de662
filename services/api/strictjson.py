"""Bodies that end up in a file: JSON in which nothing is ambiguous, or a 400 that says why."""

import asyncio
import json
from typing import Any, Final

from fastapi import HTTPException
from starlette.requests import Request

from services.api.jsonroute import ParsedRoute
from shared.config.document import parse_strict
from shared.config.trees import too_deep

MAX_DEPTH: Final = 64
_THREAD_FROM: Final = 64 << 10
"""Bodies of this many bytes are parsed in a thread."""


class _StrictRequest(Request):
    async def json(self) -> Any:
        """The body.

        Raises:
            HTTPException: 400: not JSON, not UTF-8, a key twice in one object, NaN, a number of
                more than 64 bits, half of a surrogate pair, more than 64 levels.
        """
        body = await self.body()
        if len(body) < _THREAD_FROM:
            return parse_body(body)
        return await asyncio.to_thread(parse_body, body)


def parse_body(body: bytes) -> Any:
    """Raises `HTTPException` (400)."""
    try:
        tree = parse_strict(body.decode())
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except RecursionError:
        raise _nested() from None
    except UnicodeEncodeError:
        raise HTTPException(400, "A string of the body holds half of a surrogate pair.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise HTTPException(400, f"The body is not JSON: {error.msg} ({where}).") from None
    except ValueError as error:
        raise HTTPException(400, f"The body cannot be used: {str(error)[:300]}.") from None
    if too_deep(tree, MAX_DEPTH):
        raise _nested()
    return tree


def _nested() -> HTTPException:
    return HTTPException(400, f"The body is nested deeper than {MAX_DEPTH} levels.")


class StrictJsonRoute(ParsedRoute):
    """For routers whose bodies become configuration."""

    request_class = _StrictRequest
