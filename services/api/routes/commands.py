"""Receipts: what became of a command."""

from typing import Any

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from services.api.answers import Json
from services.api.deps import CommandsDep
from services.api.schemas import CommandReceipt, Problem
from shared.models.command import Receipt

router = APIRouter(prefix="/process/commands", tags=["process"])


@router.get(
    "/{command_id}",
    response_model=CommandReceipt,
    responses={404: {"model": Problem}, 409: {"model": Problem}, 503: {"model": Problem}},
)
async def get_command(command_id: str, commands: CommandsDep) -> Response:
    """Each step of a command with its time, and its outcome. Kept for 24 hours."""
    receipt = await commands.receipt(command_id)
    if receipt is None:
        raise HTTPException(404, f"No command has the id '{command_id[:128]}' (any more).")
    return Json(receipt_body(receipt))


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    """A receipt as REST shows it."""
    return {
        "id": receipt.id,
        "action": receipt.action,
        "process_name": receipt.process_name,
        "actor": receipt.actor,
        "source": receipt.source,
        "status": receipt.status,
        "detail": receipt.detail,
        "created_at": receipt.created_at,
        "started_at": receipt.started_at,
        "finished_at": receipt.finished_at,
        "steps": [{"at": at, "what": what} for at, what in receipt.steps],
        "result": receipt.result,
    }
