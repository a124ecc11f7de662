"""JSON answers, rendered once with orjson."""

from typing import Any

import orjson
from starlette.responses import Response


class Json(Response):
    """`content` as JSON. Keys are text, numbers have at most 64 bits."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class RawJson(Response):
    """Bytes that are JSON already."""

    media_type = "application/json"


def retry_later(seconds: int = 1) -> dict[str, str]:
    """The header that goes with every 503."""
    return {"retry-after": str(seconds)}
