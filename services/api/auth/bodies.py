"""Bodies of requests about accounts, and of their answers.

What is longer than these bounds is refused (422) before anything is hashed.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from shared.models.account import Role

LONGEST: Final = 1024
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 72
"""Characters, as in the original. argon2id reads all of them, however many bytes they have."""

Name = Annotated[str, Field(max_length=LONGEST)]
Password = Annotated[str, Field(max_length=LONGEST)]


def password_problem(password: str) -> str:
    """Why this cannot be a new password, as a sentence; "" when it can. Pure."""
    if len(password) < MIN_PASSWORD:
        return f"Password must be at least {MIN_PASSWORD} characters long."
    if len(password) > MAX_PASSWORD:
        return f"Password must have at most {MAX_PASSWORD} characters."
    return ""


class Credentials(BaseModel):
    """A name and a password."""

    username: Name
    password: Password


class NewUser(Credentials):
    """A new account. The first one is always an administrator."""

    role: Role = Role.ADMIN


class UserChange(BaseModel):
    """`role` absent: as it was."""

    disabled: bool
    role: Role | None = None


class PasswordChange(BaseModel):
    """`current_password` is needed for one's own account."""

    password: Password
    current_password: Password | None = None
    keep_api_tokens: bool = False


class RefreshRequest(BaseModel):
    """A refresh token."""

    refresh_token: Annotated[str, Field(max_length=16384)]


class NewToken(BaseModel):
    """`role` absent: the caller's own. `expires_in_days` absent: never."""

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
    role: Role | None = None
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class TokenPairBody(BaseModel):
    """Both tokens of a login."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - the name of a scheme


class DelayedBody(BaseModel):
    """Too many failed attempts. The next one is checked with `ticket` in `X-Login-Ticket`.

    `retry_after`: seconds until then. `expires_in`: seconds until the ticket expires.
    """

    detail: str
    ticket: str
    retry_after: int
    expires_in: int


class StatusBody(BaseModel):
    """`degraded` only while accounts are not available: then nothing else here is known.

    `setup_code_required` only while there is no account and `X-Setup-Code` has to be sent.
    """

    enabled: bool
    has_users: bool
    setup_skipped: bool
    mode: str
    local_login_enabled: bool
    oidc_login_enabled: bool
    oidc_provider_name: str
    degraded: bool | None = None
    setup_code_required: bool | None = None


class VerifyBody(BaseModel):
    """`username` only when valid."""

    valid: bool
    username: str | None


class Message(BaseModel):
    """A sentence."""

    message: str


class UserBody(BaseModel):
    """One account. The last two only with `details`."""

    username: str
    disabled: bool
    role: Role | None = None
    created_at: float | None = None


class UsersBody(BaseModel):
    """All accounts, in their order."""

    users: list[UserBody]


class MeBody(BaseModel):
    """Who the caller is. `username` null: nobody in particular, authentication is off."""

    username: str | None
    role: Role
    auth_enabled: bool
    api_token: str | None
    expires_at: float | None


class TokenBody(BaseModel):
    """An API token without its text. Times in epoch seconds."""

    id: str
    name: str
    role: Role
    owner: str
    created_at: float
    expires_at: float | None


class CreatedTokenBody(TokenBody):
    """`token` is shown here and never again."""

    token: str


class TokensBody(BaseModel):
    """API tokens: one's own; for administrators everybody's."""

    tokens: list[TokenBody]


class ProviderBody(BaseModel):
    """Local accounts are all there is."""

    mode: str
    oidc: dict[str, Any]
