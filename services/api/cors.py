"""Which pages may read answers: the CORS headers of the origins that the configuration allows."""

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from services.api.answers import Json
from services.api.origins import Origins

PREFLIGHT_MAX_AGE_S: Final = 600


class Cors(CORSMiddleware):
    """For one request, which has an `Origin`. Credentials are allowed unless `*` is configured.

    Args:
        own_port: at which the request arrived, None when it is not known.
    """

    def __init__(self, app: ASGIApp, pages: Origins, own_port: int | None) -> None:
        super().__init__(
            app,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_credentials=not pages.wildcard,
            expose_headers=["ETag", "Location", "X-Command-Id", "X-Config-Version"],
            max_age=PREFLIGHT_MAX_AGE_S,
        )
        self._pages = pages
        self._own_port = own_port

    def is_allowed_origin(self, origin: str) -> bool:
        return self._pages.allow(origin, self._own_port)

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        return Json({"detail": bytes(answer.body).decode()}, answer.status_code)
