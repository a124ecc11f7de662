"""Errors to HTTP, in one place. Every answer is `{"detail": ...}`; no input yields a 500."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.answers import Json, retry_later
from services.api.app_files import AnswerGoneError
from services.api.command_errors import (
    KeyReusedError,
    ReceiptError,
    ReplicaEndsError,
    StateError,
    StillRunningError,
)
from services.api.configuration import ConfigAwayError
from services.api.jobs import JobsAwayError, JobStateError, UnknownJobError
from services.api.methods import allow_header
from services.api.metrics import CollectorAwayError, StillMigratingError
from shared.bus.client import BUS_ERRORS
from shared.bus.refusals import refusal_of
from shared.errors import (
    AmbiguousServiceError,
    BusUnavailableError,
    DumbError,
    SupervisorAwayError,
    UnknownServiceError,
)
from shared.secret_names import is_secret_name

_log = logging.getLogger(__name__)

MASK: Final = "***"

STATUS_OF: Final[dict[type[DumbError], int]] = {
    UnknownServiceError: 404,
    AmbiguousServiceError: 409,
    ReceiptError: 409,
    KeyReusedError: 409,
    StateError: 503,
    SupervisorAwayError: 503,
    BusUnavailableError: 503,
    ConfigAwayError: 503,
    AnswerGoneError: 503,
    CollectorAwayError: 503,
    UnknownJobError: 404,
    JobStateError: 409,
    JobsAwayError: 503,
    StillMigratingError: 504,
}

ECHO_DEPTH: Final = 8
ECHO_ITEMS: Final = 50
ECHO_CHARS: Final = 1000
"""How much of a refused input is shown again."""


def install_errors(app: FastAPI) -> None:
    """Register every handler of this module."""
    app.add_exception_handler(DumbError, _on_dumb_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(RedisError, _on_bus_error)
    for kind in BUS_ERRORS:
        app.add_exception_handler(kind, _on_bus_error)


async def _on_dumb_error(_request: Request, error: Exception) -> Response:
    if isinstance(error, StillRunningError | ReplicaEndsError):
        body = {"detail": str(error), "id": error.command_id}
        where = {"location": error.location, "x-command-id": error.command_id}
        if isinstance(error, ReplicaEndsError):
            return Json(body, 503, {**where, **retry_later()})
        return Json(body, 504, where)
    status = next((s for kind, s in STATUS_OF.items() if isinstance(error, kind)), 500)
    if status == 500:
        _log.error("%s: %s", type(error).__name__, error)
    return Json({"detail": _clean(str(error))}, status, retry_later() if status == 503 else None)


async def _on_bus_error(request: Request, error: Exception) -> Response:
    return bus_answer(request, error)


def bus_answer(request: Request, error: Exception) -> Response:
    """503, because of an error of Redis or of the way to it."""
    _log.warning("%s %.200r: Redis: %s", request.method, request.scope["path"], error)
    return Json({"detail": bus_sentence(error)}, 503, retry_later())


def bus_sentence(error: object) -> str:
    """What an error of Redis means to a caller, without names, keys or paths."""
    if refused := refusal_of(error):
        return f"{refused.sentence} The services go on running."
    if isinstance(error, BUS_ERRORS):
        return "Redis does not answer. The services go on running; try again in a moment."
    return "Redis refused the request; the API's log says why."


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    headers = error.headers if isinstance(error, HTTPException) else None
    if status in {204, 304}:
        return Response(status_code=status, headers=headers)
    if status == 405:  # the framework names the methods of the first route alone
        headers = {"allow": allow_header(request)}
    if status == 422:  # one shape for each status, wherever it was noticed
        problem = {"type": "value_error", "loc": ["body"], "msg": _clean(detail), "input": None}
        return Json({"detail": [problem]}, status, headers)
    return Json({"detail": _clean(detail)}, status, headers)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    return Json({"detail": [_problem(item) for item in found[:ECHO_ITEMS]]}, 422)


def _problem(item: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of the framework's form: type, loc, msg, input and, if any, ctx."""
    problem = {
        "type": item.get("type", ""),
        "loc": echo(list(item.get("loc", ()))),
        "msg": _clean(str(item.get("msg", ""))),
        "input": _input(item.get("loc"), item.get("input")),
    }
    if item.get("ctx"):
        problem["ctx"] = echo({key: str(value) for key, value in item["ctx"].items()})
    return problem


def echo(value: Any, depth: int = ECHO_DEPTH) -> Any:
    """`value` in a form that JSON can hold, cut to a size that is worth showing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else "a number of more than 64 bits"
    if isinstance(value, float):
        return value  # orjson writes null for what JSON lacks
    if isinstance(value, bytes):
        return _clean(value[:ECHO_CHARS].decode("utf-8", "replace"))
    if depth <= 0:
        return "..."
    if isinstance(value, Mapping):
        pairs = list(value.items())[:ECHO_ITEMS]
        return {_clean(str(key)): _shown(str(key), item, depth) for key, item in pairs}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [echo(item, depth - 1) for item in value[:ECHO_ITEMS]]
    return _clean(str(value))


def _shown(key: str, value: Any, depth: int) -> Any:
    """A refused value under its key; a secret is not sent back, not even to who sent it."""
    return MASK if is_secret_name(key) else echo(value, depth - 1)


def _input(loc: Any, value: Any) -> Any:
    """The refused value; below a secret's name everything is one."""
    names = loc if isinstance(loc, list | tuple) else ()
    return MASK if any(is_secret_name(str(name)) for name in names) else echo(value)


def _clean(text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate becomes a question mark."""
    return text[:ECHO_CHARS].encode("utf-8", "replace").decode()


class LastResort:
    """The outermost middleware: what nobody expected is logged, and answered without internals."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:  # an edge that must not die
            _log.exception("%s %.200r failed", scope["method"], scope["path"])
            if started:
                raise
            sentence = "Something went wrong inside the API; its log says what."
            await Json({"detail": sentence}, 500)(scope, receive, send)
