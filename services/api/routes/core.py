"""What the first-run wizard asks for at its end."""

from typing import Any, Final

import orjson
from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.api.answers import Json, retry_later
from services.api.asked import AskedDep
from services.api.commands import failed_with
from services.api.core_bodies import CoreFailed, CoreStarted, StartCoreRequest
from services.api.deps import CommandsDep
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem, Queued
from shared.models.command import MAX_ARGS_BYTES, Action, Receipt
from shared.models.config_change import Refusal

router = APIRouter(prefix="/process", tags=["process"], route_class=JsonRoute)

WAIT_S: Final = 600.0
"""A stack takes as long as its services take; after this the command goes on by itself."""

_REFUSED: Final = {
    Refusal.INVALID: 400,
    Refusal.CONFLICT: 409,
    Refusal.TOO_LARGE: 413,
    Refusal.UNAVAILABLE: 500,
}

_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Queued, "description": "Taken in; `Location` leads to its receipt"},
    400: {"model": Problem, "description": "It makes no sense as a whole; nothing was changed"},
    409: {"model": CoreFailed, "description": "Cancelled, or the file on disk is broken"},
    413: {"model": Problem},
    500: {"model": CoreFailed, "description": "Some of it does not run"},
    503: {"model": Problem, "description": "Redis or the supervisor is away"},
    504: {"model": Problem, "description": "Not finished in time; it goes on"},
}


@router.post("/start-core-service", response_model=CoreStarted, responses=_FAILURES)
async def start_core_service(
    body: StartCoreRequest, asked: AskedDep, commands: CommandsDep
) -> Response:
    """Enable and start core services with what they need, then optional ones.

    One change of the configuration, one command; an equal one joins it.
    """
    args = body.args()
    if len(orjson.dumps(args)) > MAX_ARGS_BYTES:
        raise HTTPException(413, f"The request has more than {MAX_ARGS_BYTES >> 20} MiB.")
    receipt = await commands.place(asked.order(Action.START_CORE, args, WAIT_S, wait=asked.wait))
    return _outcome(receipt) if asked.wait else asked.taken_in(receipt)


def _outcome(receipt: Receipt) -> Response:
    headers = {"x-command-id": receipt.id}
    result, status = receipt.result or {}, failed_with(receipt)
    if status is None:
        return Json({"results": result.get("results", []), "errors": []}, 200, headers)
    if "code" in result:
        return Json({"detail": receipt.detail}, _REFUSED.get(result["code"], 500), headers)
    extra = retry_later() if status == 503 else {}
    known = {key: result[key] for key in ("results", "errors", "changes") if key in result}
    detail: Any = {"message": receipt.detail, **known} if known else receipt.detail
    return Json({"detail": detail}, status, headers | extra)
