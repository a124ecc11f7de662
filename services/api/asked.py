"""How a client wants its command carried out: the headers and the query of a POST."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Depends, Header, HTTPException, Query
from starlette.requests import Request

from services.api.answers import Json
from services.api.commands import Order
from services.api.paths import spelling
from shared.models.command import Action, Receipt

_KEY: Final = "1 to 128 visible ASCII characters"


@dataclass(frozen=True, slots=True)
class Asked:
    """`wait`: answer with the outcome; `preferred`: a `Prefer` header said not to.

    `owner` is whose `key` it is; `location` the path of receipts as this client reaches it, up to
    the id.
    """

    actor: str
    owner: str
    key: str | None
    wait: bool
    preferred: bool
    location: str

    def order(
        self, action: Action, args: Mapping[str, Any], budget_s: float, *, wait: bool = True
    ) -> Order:
        """A command that is about several services or none; see `Order`."""
        return Order(
            action,
            "",
            self.actor,
            self.key,
            self.owner,
            wait=wait,
            location=self.location,
            args=args,
            budget_s=budget_s,
        )

    def taken_in(self, receipt: Receipt) -> Json:
        """The answer to who does not wait."""
        headers = {"x-command-id": receipt.id, "location": self.location + quote(receipt.id)}
        if self.preferred:
            headers["preference-applied"] = "respond-async"
        shown = (receipt.id, receipt.status, receipt.action, receipt.process_name)
        names = ("id", "status", "action", "process_name")
        return Json(dict(zip(names, shown, strict=True)), 202, headers)


async def _asked(
    request: Request,
    prefer: Annotated[
        list[str] | None, Header(description="`respond-async`: answer 202 at once (RFC 7240)")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        Header(description=f"{_KEY}: a repetition runs nothing and gets the same outcome"),
    ] = None,
    wait: Annotated[bool, Query(description="`0`: answer 202 at once")] = True,
) -> Asked:
    preferred = _prefers_async(prefer)
    return Asked(
        actor=await _actor(request),
        owner=_user(request),
        key=_checked_key(idempotency_key),
        wait=wait and not preferred,
        preferred=preferred,
        location=f"{spelling(request.scope).prefix}/process/commands/",
    )


async def _actor(request: Request) -> str:
    """Who asks from where, for receipts and the audit stream."""
    client = request.client.host if request.client else "unknown"
    return f"{_user(request)}@{client}"


AskedDep = Annotated[Asked, Depends(_asked)]
ActorDep = Annotated[str, Depends(_actor)]


def _user(request: Request) -> str:
    """The caller's name; `api` while authentication is off and nobody says who they are."""
    principal = getattr(request.state, "principal", None)
    return getattr(principal, "username", None) or "api"


def _prefers_async(values: list[str] | None) -> bool:
    tokens = (part for value in values or () for part in value.split(","))
    return any(token.partition(";")[0].strip().lower() == "respond-async" for token in tokens)


def _checked_key(key: str | None) -> str | None:
    if key is not None and (not 1 <= len(key) <= 128 or any(not "!" <= c <= "~" for c in key)):
        raise HTTPException(400, f"Idempotency-Key: use {_KEY}.")
    return key
