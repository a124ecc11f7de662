"""Several services at once, and second thoughts."""

from typing import Any, Final

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.api.action_bodies import ActionDone, ActionFailed, ActionRequest, Cancelled
from services.api.answers import Json, retry_later
from services.api.asked import AskedDep
from services.api.commands import MARGIN_S, budget_s, failed_with
from services.api.configuration import Published
from services.api.deps import CommandsDep, ConfigDep
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem, Queued
from services.api.ws.status_board import API_KEY
from shared.config.names import nearest
from shared.errors import UnknownServiceError
from shared.models.command import Action, CommandStatus, Receipt

router = APIRouter(prefix="/process", tags=["process"], route_class=JsonRoute)

LONGEST_WAIT_S: Final = 600.0
CANCEL_S: Final = 120.0
"""A start that is taken back may have to end what it has started."""

_FAILURES: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Queued, "description": "Taken in; `Location` leads to its receipt"},
    404: {"model": Problem, "description": "No such service; nothing was begun"},
    409: {"model": ActionFailed, "description": "Cancelled, or not allowed"},
    500: {"model": ActionFailed, "description": "Not all of it was done"},
    503: {"model": Problem, "description": "Redis or the supervisor is away"},
    504: {"model": Problem, "description": "Not finished in time; it goes on"},
}


@router.post("/actions", response_model=ActionDone, responses=_FAILURES)
async def run_action(
    body: ActionRequest, asked: AskedDep, commands: CommandsDep, config: ConfigDep
) -> Response:
    """Start, stop or restart several services as one command, in the order of dependencies."""
    published = await config.read()
    names = list(dict.fromkeys(body.process_names or ()))
    for name in names:
        _check(name, published)
    args = {"action": body.action, "process_names": names, "all": body.all}
    wait_s = _budget_s(Action(body.action), names, published)
    receipt = await commands.place(asked.order(Action.BULK, args, wait_s, wait=asked.wait))
    return _outcome(receipt, body.action) if asked.wait else asked.taken_in(receipt)


@router.post(
    "/commands/{command_id}/cancel",
    response_model=Cancelled,
    responses={
        404: {"model": Problem, "description": "No such command"},
        409: {"model": Problem, "description": "It is over, or has no way back"},
        503: {"model": Problem},
        504: {"model": Problem},
    },
)
async def cancel_command(command_id: str, asked: AskedDep, commands: CommandsDep) -> Response:
    """Take a command back. What it has begun to start is stopped; what is done stays done."""
    known = await commands.receipt(command_id)
    if known is None:
        raise HTTPException(404, f"No command has the id '{command_id[:128]}' (any more).")
    if not known.status.final:
        outcome = await commands.place(
            asked.order(Action.CANCEL, {"command": command_id}, CANCEL_S)
        )
        if outcome.status is CommandStatus.EXPIRED:
            raise HTTPException(503, outcome.detail, retry_later())
        known = await commands.receipt(command_id) or known
        if known.status is not CommandStatus.CANCELLED and not known.status.final:
            raise HTTPException(409, outcome.detail)
    if known.status is not CommandStatus.CANCELLED:
        raise HTTPException(409, f"It is over: {known.status}. {known.detail}")
    return Json({"id": command_id, "status": known.status, "detail": known.detail})


def _check(name: str, published: Published) -> None:
    """Nothing is begun for a list with a wrong name in it."""
    service = published.by_name.get(name)
    if service is None:
        raise UnknownServiceError(name, nearest(published.by_name, name))
    if service.config_key == API_KEY:
        raise HTTPException(409, f"'{name}' is this API itself: leave it out.")


def _budget_s(action: Action, names: list[str], published: Published) -> float:
    """As if each of them had to wait for the one before it."""
    services = [published.by_name[name] for name in names] or published.services
    total = sum(budget_s(action, service) - MARGIN_S for service in services)
    return min(total, LONGEST_WAIT_S) + MARGIN_S


def _outcome(receipt: Receipt, action: str) -> Response:
    headers = {"x-command-id": receipt.id}
    results = (receipt.result or {}).get("results")
    status = failed_with(receipt)
    if status is None:
        words = f"{action}: {receipt.detail}"
        return Json({"status": words, "results": results or []}, 200, headers)
    extra = retry_later() if status == 503 else {}
    detail: Any = receipt.detail
    if results is not None:
        detail = {"message": f"{action}: {receipt.detail}", "results": results}
    return Json({"detail": detail}, status, headers | extra)
