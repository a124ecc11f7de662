"""`/auth`: status, login, refresh, setup and the switch (contract rest.md 1)."""

from typing import Any, Final

from fastapi import APIRouter, HTTPException
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json
from services.api.auth.access import AuthDep, PrincipalDep
from services.api.auth.bodies import (
    Credentials,
    DelayedBody,
    MeBody,
    Message,
    ProviderBody,
    RefreshRequest,
    StatusBody,
    TokenPairBody,
    VerifyBody,
    password_problem,
)
from services.api.auth.caller import caller_of, client_address, hand_out_device, new_device
from services.api.auth.errors import AuthUnknownError, NotAuthenticatedError
from services.api.auth.principal import check_claims, family_of, judge
from services.api.auth.sessions import TokenPair
from services.api.auth.tokens import InvalidTokenError, TokenKind, peek, verify
from services.api.jsonroute import JsonRoute
from services.api.schemas import Problem
from shared.models.account import AuthSettings
from shared.models.account_change import AccountOp
from shared.usernames import username_problem

router = APIRouter(prefix="/auth", tags=["auth"], route_class=JsonRoute)

_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": Problem},
    401: {"model": Problem},
    429: {"model": Problem, "description": "Too many failed logins; see `Retry-After`"},
    503: {"model": Problem, "description": "Accounts are not available"},
}
_DELAYED: Final = _REFUSED | {429: _REFUSED[429] | {"model": DelayedBody}}
_DISABLED: Final = "Authentication is disabled."
_WRONG: Final = "Incorrect username or password."


@router.get("/status", response_model=StatusBody, response_model_exclude_unset=True)
async def get_auth_status(auth: AuthDep) -> Response:
    """What a login page needs to know. Always 200: clients take an error for "no accounts"."""
    try:
        settings = (await auth.gate.look()).settings
    except (AuthUnknownError, RedisError, OSError):
        closed = AuthSettings(0, enabled=True, setup_skipped=False, mode="local", users=1)
        return Json({**_status(closed), "degraded": True})
    if auth.setup_code.is_set and not settings.users:
        return Json({**_status(settings), "setup_code_required": True})
    return Json(_status(settings))


@router.post("/login", response_model=TokenPairBody, responses=_DELAYED)
async def log_in(body: Credentials, request: Request, auth: AuthDep) -> Response:
    """Exchange a name and a password for tokens.

    `X-Device-Token` in the answer makes this client known: send it with the next login, and the
    failed attempts of others do not delay that one. After a 429 send its `ticket` in
    `X-Login-Ticket`. Browsers do both with cookies.
    """
    settings = (await auth.gate.look()).settings
    if not settings.enabled:
        raise HTTPException(401, _DISABLED)
    if not settings.local_login:
        raise HTTPException(401, "Logins with a password are switched off.")
    found = await auth.logins.check(
        body.username, body.password, caller_of(request), new_device=new_device()
    )
    if found is None:
        raise HTTPException(401, _WRONG)
    answer = _tokens(await auth.sessions.begin(found.account, found.known.secret))
    if found.device:
        hand_out_device(answer, found.device, https=_is_https(request))
    return answer


@router.post("/refresh", response_model=TokenPairBody, responses=_REFUSED)
async def refresh_tokens(body: RefreshRequest, request: Request, auth: AuthDep) -> Response:
    """Exchange a refresh token for new tokens. It works once; used again it ends the login."""
    try:
        claims = peek(body.refresh_token)
    except InvalidTokenError:
        claims = None
    sub, family = (claims.sub, family_of(claims, body.refresh_token)) if claims else ("", "")
    known = await auth.gate.look(username=sub, family=family)
    if not known.settings.enabled:
        raise HTTPException(401, _DISABLED)
    try:
        claims = verify(body.refresh_token, known.secret)
        if claims.kind is not TokenKind.REFRESH:
            raise HTTPException(401, "This is no refresh token.")
        account = check_claims(known, claims)
        pair = await auth.sessions.refresh(claims, family, account, known.secret)
    except InvalidTokenError:
        raise HTTPException(401, "Invalid or expired refresh token.") from None
    except NotAuthenticatedError as error:
        raise HTTPException(401, str(error)) from None
    await auth.logins.goes_on(account.username, caller_of(request), known.secret)
    return _tokens(pair)


@router.post("/verify", response_model=VerifyBody, responses={503: {"model": Problem}})
async def verify_token(token: str, auth: AuthDep) -> Response:
    """Whether an access token is good now."""
    known = await auth.gate.look_for(token)
    try:
        username = judge(known, token).username if known.settings.enabled else None
    except NotAuthenticatedError:
        username = None
    return Json({"valid": username is not None, "username": username})


@router.post("/setup", response_model=TokenPairBody, responses=_REFUSED)
async def set_up(body: Credentials, request: Request, auth: AuthDep) -> Response:
    """Create the first user and switch authentication on. Of many at once one succeeds."""
    if (await auth.gate.look()).settings.users:
        raise HTTPException(400, "Setup is complete: users exist already.")
    check_new(body.username, body.password)
    caller = caller_of(request)
    hashed = await auth.passwords.hash(body.password)
    await auth.changes.make(
        AccountOp.SETUP,
        by=None,
        address=caller.address,
        username=body.username,
        password_hash=hashed,
    )
    known = await auth.gate.look(username=body.username)
    account = known.look.account
    if account is None:  # deleted again in this very moment
        raise HTTPException(401, _WRONG)
    device = new_device()
    await auth.logins.welcome(account.username, caller, known.secret, device)
    answer = _tokens(await auth.sessions.begin(account, known.secret))
    hand_out_device(answer, device, https=_is_https(request))
    return answer


@router.post("/skip-setup", response_model=Message, responses=_REFUSED)
async def skip_setup(request: Request, auth: AuthDep) -> Response:
    """Go on without accounts."""
    if (await auth.gate.look()).settings.users:
        raise HTTPException(400, "Setup is complete: users exist already.")
    await auth.changes.make(AccountOp.SKIP_SETUP, by=None, address=client_address(request))
    return Json({"message": "Setup skipped. Authentication is off."})


@router.post("/enable", response_model=Message, responses=_REFUSED)
async def enable_auth(request: Request, auth: AuthDep, principal: PrincipalDep) -> Response:
    """Switch authentication on. While it is off anybody may (contract auth.md 7)."""
    if principal.settings.users == 0:
        raise HTTPException(400, "Create a user first.")
    by = principal.username
    await auth.changes.make(AccountOp.ENABLE, by=by, address=client_address(request))
    return Json({"message": "Authentication is on."})


@router.post("/disable", response_model=Message, responses=_REFUSED)
async def disable_auth(request: Request, auth: AuthDep, principal: PrincipalDep) -> Response:
    """Switch authentication off; users are kept. Nothing happens where it is off already."""
    # The supervisor refuses nobody's wish if it was switched on meanwhile.
    by = principal.username if principal.settings.enabled else None
    await auth.changes.make(AccountOp.DISABLE, by=by, address=client_address(request))
    return Json({"message": "Authentication is off."})


@router.post("/logout", response_model=Message, responses=_REFUSED)
async def log_out(auth: AuthDep, principal: PrincipalDep) -> Response:
    """End this login everywhere: its tokens are refused from now on, its sockets closed."""
    if principal.family:
        await auth.sessions.revoke(principal.family, principal.expires_at or 0.0)
    return Json({"message": "Logged out."})


@router.get("/me", response_model=MeBody, responses=_REFUSED)
async def get_me(principal: PrincipalDep) -> Response:
    """Who the caller is, and what they may do."""
    return Json(
        {
            "username": principal.username,
            "role": principal.role,
            "auth_enabled": principal.settings.enabled,
            "api_token": principal.api_token or None,
            "expires_at": principal.expires_at,
        }
    )


@router.get("/provider", response_model=ProviderBody, responses=_REFUSED)
async def get_auth_provider(principal: PrincipalDep) -> Response:
    """Where logins are checked: here."""
    return Json({"mode": principal.settings.mode, "oidc": {"client_secret_configured": False}})


def check_new(username: str, password: str) -> None:
    """Raises a 400 for lengths, as the original, and a 422 for what it let through."""
    problem = username_problem(username)
    if problem:
        raise HTTPException(400 if len(username) < 3 else 422, problem)
    problem = password_problem(password)
    if problem:
        raise HTTPException(400, problem)


def _status(settings: AuthSettings) -> dict[str, Any]:
    return {
        "enabled": settings.enabled,
        "has_users": settings.users > 0,
        "setup_skipped": settings.setup_skipped,
        "mode": settings.mode,
        "local_login_enabled": settings.local_login,
        "oidc_login_enabled": False,
        "oidc_provider_name": "",
    }


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def _tokens(pair: TokenPair) -> Response:
    body = {
        "access_token": pair.access_token,
        "refresh_token": pair.refresh_token,
        "token_type": "bearer",
    }
    return Json(body, headers={"cache-control": "no-store"})
