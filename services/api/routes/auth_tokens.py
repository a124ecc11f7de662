"""`/auth/tokens`: tokens for scripts, which cannot refresh."""

import time
from typing import Any, Final

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json
from services.api.auth.access import AuthDep
from services.api.auth.apitokens import make_token
from services.api.auth.authority import in_person, somebody
from services.api.auth.bodies import CreatedTokenBody, Message, NewToken, TokensBody
from services.api.auth.caller import client_address
from services.api.auth.errors import ForbiddenError
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem
from shared.models.account import ApiToken, Role
from shared.models.account_change import AccountOp

router = APIRouter(prefix="/auth/tokens", tags=["auth"], route_class=JsonRoute)

_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem} for status in (400, 401, 403, 503)
}


@router.post("", response_model=CreatedTokenBody, responses=_REFUSED)
async def create_token(body: NewToken, request: Request, auth: AuthDep) -> Response:
    """Make a token of one's own. Its text is in this answer and never shown again."""
    who = await in_person(request, auth)
    if who.by is None:
        raise HTTPException(400, "Create a user first.")
    role = body.role or who.role
    if not who.role.covers(role):
        raise ForbiddenError(f"Your role is {who.role}: a token of yours cannot be {role}.")
    days = body.expires_in_days
    text, record = make_token(
        body.name, role, who.by, None if days is None else round(time.time()) + days * 86400
    )
    fields = {"hash": record.hash, **_shown(record)}
    await auth.changes.make(
        AccountOp.CREATE_TOKEN, by=who.by, address=client_address(request), token=fields
    )
    return Json({**_shown(record), "token": text}, headers={"cache-control": "no-store"})


@router.get("", response_model=TokensBody, responses=_REFUSED)
async def list_tokens(request: Request, auth: AuthDep) -> Response:
    """One's own tokens; for an administrator everybody's. Never their text."""
    who = await somebody(request, auth)
    tokens = sorted(await auth.gate.reader.all_tokens(), key=lambda token: token.created_at)
    mine = [t for t in tokens if who.role is Role.ADMIN or t.owner == who.by]
    return Json({"tokens": [_shown(token) for token in mine]})


@router.delete("/{token_id}", response_model=Message, responses={404: {"model": Problem}})
async def delete_token(token_id: str, request: Request, auth: AuthDep) -> Response:
    """End a token at once: one's own, or as administrator any."""
    who = await in_person(request, auth)
    owners = {token.id: token.owner for token in await auth.gate.reader.all_tokens()}
    if token_id not in owners or (who.role is not Role.ADMIN and owners[token_id] != who.by):
        raise HTTPException(404, "There is no such API token.")
    await auth.changes.make(
        AccountOp.DELETE_TOKEN, by=who.by, address=client_address(request), id=token_id
    )
    return Json({"message": "The API token is deleted."})


def _shown(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "owner": token.owner,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
