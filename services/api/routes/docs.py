"""Pages that show the OpenAPI document, from files of our own (services/api/static)."""

from html import escape
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from services.api.assets import load_assets
from services.api.deps import ConfigDep
from services.api.headers import FRAMES, POLICY
from services.api.paths import spelling
from services.api.policy import SWAGGER, scalar_policy

router = APIRouter(include_in_schema=False)

TITLE: Final = "Distributed Unlimited Media Bridge"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="{icon}">
{styles}</head>
<body>
<noscript>This page needs JavaScript. Without it: <a href="{url}">openapi.json</a></noscript>
<div id="reference" data-url="{url}"></div>
{scripts}</body>
</html>
"""


@router.get("/docs")
async def swagger(request: Request) -> Response:
    """Swagger UI."""
    vendor = "vendor/swagger-ui/swagger-ui"
    return _page(
        request,
        SWAGGER,
        scripts=(f"{vendor}-bundle.js", "pages/swagger.js"),
        styles=(f"{vendor}.css",),
        frames="DENY",
    )


@router.get("/scalar")
async def scalar(request: Request, config: ConfigDep) -> Response:
    """Scalar. The configured frontends may embed it."""
    pages = await config.origins()
    scripts = ("pages/before-scalar.js", "vendor/scalar/standalone.js", "pages/scalar.js")
    return _page(request, scalar_policy(pages, request.headers.get("host", "")), scripts=scripts)


def _page(
    request: Request,
    policy: str,
    *,
    scripts: tuple[str, ...],
    styles: tuple[str, ...] = (),
    frames: str = "",
) -> Response:
    # Relative to the page, so that everything is found behind any proxy's prefix.
    root = "../" if spelling(request.scope).slash else ""
    assets = load_assets()

    def address(name: str) -> str:
        return escape(f"{root}static/{name}?v={assets[name].digest}")

    text = _PAGE.format(
        title=TITLE,
        url=f"{root}openapi.json",
        icon=address("pages/icon.svg"),
        styles="".join(f'<link rel="stylesheet" href="{address(s)}">\n' for s in styles),
        scripts="".join(f'<script src="{address(s)}"></script>\n' for s in scripts),
    )
    headers = {POLICY: policy, "cache-control": "no-cache"}
    if frames:
        headers[FRAMES] = frames
    return HTMLResponse(text, headers=headers)
