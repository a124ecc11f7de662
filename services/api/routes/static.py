"""The files of our pages: for everyone, as the pages are."""

import asyncio
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api.assets import load_assets, takes_gzip

router = APIRouter(include_in_schema=False)

_FOR_EVER: Final = "public, max-age=31536000, immutable"


@router.get("/static/{name:path}")
async def static(request: Request, name: str, v: str = "") -> Response:
    """One file. Under the `v` of its content it is cached for ever, otherwise asked for again."""
    asset = load_assets().get(name)
    if asset is None:
        raise HTTPException(404, f"There is no file '{name[:200]}'.")
    compressed = takes_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{asset.digest}-gzip"' if compressed else f'"{asset.digest}"'
    headers = {
        "cache-control": _FOR_EVER if v == asset.digest else "no-cache",
        "etag": tag,
        "vary": "accept-encoding",
    }
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["content-encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)
    content = await asyncio.to_thread(lambda: asset.content)
    return Response(content, media_type=asset.media_type, headers=headers)


def _tags(if_none_match: str) -> set[str]:
    """Weak ones count too (RFC 9110 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
