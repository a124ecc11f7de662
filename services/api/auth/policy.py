"""Who may ask: one decision for every route and every socket. Pure.

The rules and their reasons: docs/security.md, "Who may ask".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.api.auth.errors import Reason
from services.api.auth.roles import Door
from services.api.origins import Origins
from shared.models.account import AuthSettings, Role


class Code(StrEnum):
    """What a request shows of the setup code. `NONE`: this API has none."""

    NONE = "none"
    MISSING = "missing"
    WRONG = "wrong"
    RIGHT = "right"


class Outcome(StrEnum):
    """What becomes of a request."""

    ALLOW = "allow"
    NO_TOKEN = "no token"  # noqa: S105 - the name of an outcome
    """401: a token may help."""
    ROLE = "role"
    """403: the caller is known, and their role does not suffice."""
    STRANGER = "stranger"
    """403: the host or the page that asks is unknown."""
    NO_CODE = "no code"
    """403: the setup code is missing or wrong."""
    UNKNOWN = "unknown"
    """503: what would decide is not available."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What is known of a request before anything in it is believed.

    `hosts`, `origins`: the values of all headers of that name. `own_port`: at which it arrived.
    """

    door: Door
    hosts: Sequence[str]
    origins: Sequence[str] = ()
    own_port: int | None = None
    code: Code = Code.NONE


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason`: a sentence, empty for `ALLOW`."""

    outcome: Outcome
    reason: str = ""


ALLOWED: Final = Decision(Outcome.ALLOW)

_CODE_SENTENCES: Final = {
    Code.MISSING: (
        "There is no account yet: send this API's setup code in X-Setup-Code "
        "(`dumb` takes it from DUMB_SETUP_CODE)."
    ),
    Code.WRONG: "The setup code in X-Setup-Code is wrong.",
}


def settled(ask: Ask, pages: Origins) -> bool:
    """Whether `ask` is allowed in every state of the accounts, so they need not be read."""
    return (
        ask.door.role is None
        and not _asks_for_code(ask)
        and pages.refusal(ask.hosts, ask.origins, ask.own_port) is None
    )


def decide(
    ask: Ask, pages: Origins, accounts: AuthSettings | None, who: Role | Reason = Reason.MISSING
) -> Decision:
    """What becomes of `ask`.

    Args:
        pages: what the configuration says about web pages.
        accounts: None: not available.
        who: the role that the caller's token gives, or why it gives none.
    """
    if accounts is None:
        return _decide_blindly(ask, pages)
    if not (accounts.enabled and accounts.users):
        # No token protects this API: a page could ask in the name of the person who opens it.
        refusal = pages.refusal(ask.hosts, ask.origins, ask.own_port)
        if refusal is not None:
            return Decision(Outcome.STRANGER, refusal)
    if not accounts.users and _asks_for_code(ask) and ask.code is not Code.RIGHT:
        return Decision(Outcome.NO_CODE, _CODE_SENTENCES[ask.code])
    needed = ask.door.role
    if not accounts.enabled or needed is None:
        return ALLOWED
    if isinstance(who, Reason):
        return Decision(Outcome.NO_TOKEN, who.value)
    if not who.covers(needed):
        return Decision(Outcome.ROLE, f"This needs the role {needed}; you are {who}.")
    return ALLOWED


def _decide_blindly(ask: Ask, pages: Origins) -> Decision:
    """A guess could be wrong either way, so only what needs no decision is answered."""
    if settled(ask, pages) or (ask.door.quiet and ask.door.role is None):
        return ALLOWED
    return Decision(Outcome.UNKNOWN, "Accounts are not available.")


def _asks_for_code(ask: Ask) -> bool:
    return ask.door.code and ask.code is not Code.NONE
