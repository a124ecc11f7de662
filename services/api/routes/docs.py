"""Pages that show the OpenAPI document. Both load their script from cdn.jsdelivr.net."""

from typing import Final

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.api.paths import spelling

router = APIRouter(include_in_schema=False)

TITLE: Final = "Distributed Unlimited Media Bridge"

_SCALAR: Final = """<!doctype html>
<html>
<head>
<title>{title}</title>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
</head>
<body>
<noscript>This page needs JavaScript. Without it: <a href="{url}">openapi.json</a></noscript>
<script id="api-reference" data-url="{url}"></script>
<script src="https://cdn.jsdelivr.net/npm/@scalar/api-reference"></script>
</body>
</html>
"""


@router.get("/docs")
async def swagger(request: Request) -> HTMLResponse:
    """Swagger UI."""
    return get_swagger_ui_html(
        openapi_url=_document(request), title=TITLE, swagger_favicon_url="data:,"
    )


@router.get("/scalar")
async def scalar(request: Request) -> Response:
    """Scalar."""
    return HTMLResponse(_SCALAR.format(title=TITLE, url=_document(request)))


def _document(request: Request) -> str:
    """`openapi.json` relative to the page, so that it is found behind any proxy's prefix."""
    return "../openapi.json" if spelling(request.scope).slash else "openapi.json"
