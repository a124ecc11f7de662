"""`/auth/users` (contract rest.md 1). Guards are decided by the supervisor, in one place."""

from typing import Any, Final

from fastapi import APIRouter, HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json
from services.api.auth.access import AuthDep
from services.api.auth.authority import administrator, client_address, in_person
from services.api.auth.bodies import (
    Message,
    NewUser,
    PasswordChange,
    UserBody,
    UserChange,
    UsersBody,
    password_problem,
)
from services.api.auth.errors import ForbiddenError, NotAuthenticatedError, Reason
from services.api.jsonroute import JsonRoute
from services.api.routes.auth import check_new
from services.api.schemas import Problem
from shared.models.account import Role
from shared.models.account_change import AccountOp

router = APIRouter(prefix="/auth/users", tags=["auth"], route_class=JsonRoute)

_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem} for status in (400, 401, 403, 503)
}


@router.get("", response_model=UsersBody, response_model_exclude_unset=True, responses=_REFUSED)
async def list_users(auth: AuthDep, details: bool = False) -> Response:
    """All accounts; `details` adds role and time of creation."""
    users = []
    for account in await auth.gate.reader.all_accounts():
        entry: dict[str, Any] = {"username": account.username, "disabled": account.disabled}
        if details:
            entry |= {"role": account.role, "created_at": account.created_at or None}
        users.append(entry)
    return Json({"users": users})


@router.post("", response_model=UserBody, response_model_exclude_unset=True, responses=_REFUSED)
async def create_user(body: NewUser, request: Request, auth: AuthDep) -> Response:
    """Add an account. The first one switches authentication on."""
    who = await administrator(request, auth)
    check_new(body.username, body.password)
    hashed = await auth.passwords.hash(body.password)
    await auth.changes.make(
        AccountOp.CREATE_USER,
        by=who.by,
        address=client_address(request),
        username=body.username,
        password_hash=hashed,
        role=body.role.value,
    )
    return Json({"username": body.username, "disabled": False})


@router.put(
    "/{username}", response_model=UserBody, response_model_exclude_unset=True, responses=_REFUSED
)
async def update_user(username: str, body: UserChange, request: Request, auth: AuthDep) -> Response:
    """Disable or enable an account, or give it another role. Disabling ends its logins."""
    by = await _user(request, auth)
    fields: dict[str, Any] = {"username": username, "disabled": body.disabled}
    if body.role is not None:
        fields["role"] = body.role.value
    await auth.changes.make(AccountOp.SET_USER, by=by, address=client_address(request), **fields)
    return Json({"username": username, "disabled": body.disabled})


@router.delete("/{username}", response_model=Message, responses=_REFUSED)
async def delete_user(username: str, request: Request, auth: AuthDep) -> Response:
    """Delete an account with its logins and API tokens."""
    by = await _user(request, auth)
    await auth.changes.make(
        AccountOp.DELETE_USER, by=by, address=client_address(request), username=username
    )
    return Json({"message": f"Deleted the user '{username}'."})


@router.put("/{username}/password", response_model=Message, responses=_REFUSED)
async def set_password(
    username: str,
    body: PasswordChange,
    request: Request,
    auth: AuthDep,
) -> Response:
    """Change a password: one's own, with the current one, or as administrator another's.

    Ends all logins of that user; API tokens too, unless `keep_api_tokens`.
    """
    who = await in_person(request, auth)
    if who.by is None:
        raise NotAuthenticatedError(Reason.MISSING)
    if who.by != username and who.role is not Role.ADMIN:
        raise ForbiddenError("Only an administrator may change another user's password.")
    problem = password_problem(body.password)
    if problem:
        raise HTTPException(400, problem)
    address = client_address(request)
    if who.by == username and not who.proven:
        shown = body.current_password or ""
        if await auth.logins.check(username, shown, address) is None:
            raise HTTPException(400, "The current password is wrong.")
    hashed = await auth.passwords.hash(body.password)
    await auth.changes.make(
        AccountOp.SET_PASSWORD,
        by=who.by,
        address=address,
        username=username,
        password_hash=hashed,
        keep_api_tokens=body.keep_api_tokens,
    )
    return Json({"message": f"Changed the password of '{username}'. Log in again."})


async def _user(request: Request, auth: AuthDep) -> str:
    """The administrator who asks; somebody in any case, even before there are users."""
    who = await administrator(request, auth)
    if who.by is None:
        raise NotAuthenticatedError(Reason.MISSING)
    return who.by
