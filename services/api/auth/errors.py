"""Why somebody is not let in, and what HTTP makes of it."""

from enum import StrEnum

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.api.answers import Json, retry_later
from services.api.auth.passwords import BusyError
from shared.errors import DumbError


class Reason(StrEnum):
    """The three failures of the contract (auth.md 5). Each names the token: clients that see it in
    a close reason know that a new one would help."""

    MISSING = "Authentication required: no token was sent"
    INVALID = "Invalid or expired token"
    GONE = "This token's user is no longer authorized"


class NotAuthenticatedError(DumbError):
    """401."""

    code = "not_authenticated"

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class ForbiddenError(DumbError):
    """403: the caller is known and may not do this."""

    code = "forbidden"


class StrangerError(ForbiddenError):
    """403: no token protects this API yet, and the host or the page that asks is unknown."""

    code = "stranger"


class SetupCodeError(ForbiddenError):
    """403: there is no account yet, and the setup code is missing or wrong."""

    code = "setup_code"


class AuthUnknownError(DumbError):
    """503: what would decide is not there, and a guess could be wrong either way."""

    code = "auth_unknown"

    def __init__(self, problem: str = "") -> None:
        super().__init__(
            "Accounts are not available at the moment, so nobody can be let in. Try again."
            + (f" The supervisor says: {problem}" if problem else "")
        )


class TooManyAttemptsError(DumbError):
    """429. `retry_after` in seconds."""

    code = "too_many_attempts"

    def __init__(self, retry_after: int, what: str = "failed logins") -> None:
        super().__init__(f"Too many {what}. Try again in {retry_after} s.")
        self.retry_after = retry_after


class ChangeRefusedError(DumbError):
    """A change of accounts that was not made. `status` is the HTTP status that says so."""

    code = "change_refused"

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def install_auth_errors(app: FastAPI) -> None:
    """Register the handlers of these errors."""
    for kind in (
        NotAuthenticatedError,
        ForbiddenError,
        AuthUnknownError,
        TooManyAttemptsError,
        ChangeRefusedError,
        BusyError,
    ):
        app.add_exception_handler(kind, _on_error)


async def _on_error(_request: Request, error: Exception) -> Response:
    return auth_answer(error)


def auth_answer(error: Exception) -> Response:
    """The HTTP answer to one of these errors."""
    status, headers = 503, retry_later()
    if isinstance(error, NotAuthenticatedError):
        status, headers = 401, {"www-authenticate": "Bearer"}
    elif isinstance(error, ForbiddenError):
        status, headers = 403, {}
    elif isinstance(error, TooManyAttemptsError):
        status, headers = 429, retry_later(error.retry_after)
    elif isinstance(error, ChangeRefusedError):
        status = error.status
        headers = retry_later() if status == 503 else {}
    return Json({"detail": str(error)}, status, headers)


def close_reason(error: Exception) -> str:
    """What a refused or ended socket is told: at most 123 bytes."""
    return str(error).encode()[:120].decode("utf-8", "ignore")
