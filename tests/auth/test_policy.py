"""Who may ask, as a table: every kind of door, every state of the accounts, every kind of asker."""

from dataclasses import replace
from itertools import product

import pytest

from services.api.auth.errors import Reason
from services.api.auth.policy import Ask, Code, Outcome, decide, settled
from services.api.auth.roles import EXEMPT as EXEMPT_ROUTES
from services.api.auth.roles import NOWHERE, PREFLIGHT, SOCKET, Door, door_of
from services.api.origins import Origins
from shared import neighbors
from shared.models.account import AuthSettings, Role
from tests.support.program import PROJECT

PAGES = Origins.of(["https://dash.example"])
OFF = AuthSettings(1, enabled=False, setup_skipped=False, mode="local", users=0)
STATES = {
    "none": OFF,
    "skipped": replace(OFF, setup_skipped=True),
    "off": replace(OFF, users=2),
    "on": replace(OFF, enabled=True, users=2),
    "on without users": replace(OFF, enabled=True),  # a users.json that was edited by hand
    "unknown": None,
}
DOORS = {
    "status": door_of("GET", "/auth/status"),
    "health": door_of("GET", "/health"),
    "docs": door_of("GET", "/docs"),
    "login": door_of("POST", "/auth/login"),
    "setup": door_of("POST", "/auth/setup"),
    "read": door_of("GET", "/process/processes"),
    "socket": door_of(SOCKET, "/ws/logs"),
    "start": door_of("POST", "/process/start-service"),
    "new": door_of("POST", "/a/route/that/roles.py/does/not/name"),
    "nowhere": NOWHERE,
    "preflight": PREFLIGHT,
}
OPEN = {"status", "health", "docs", "preflight"}
EXEMPT = OPEN | {"login", "setup"}
FROM = {
    "program": (["127.0.0.1:8000"], []),
    "frontend": (["127.0.0.1:8000"], ["http://192.168.1.10:3005"]),
    "page": (["127.0.0.1:8000"], ["http://evil.example:3005"]),
    "neighbor's page": (["192.168.1.10:8000"], ["http://192.168.1.10:9999"]),
    "rebound": (["evil.example:8000"], []),
    "null": (["localhost"], ["null"]),
}
FRIENDS = {"program", "frontend"}
WHO: dict[str, Role | Reason] = {
    "anonymous": Reason.MISSING,
    "expired": Reason.INVALID,
    "viewer": Role.VIEWER,
    "admin": Role.ADMIN,
}


def _expected(state: str, door: str, place: str, who: str, code: Code) -> Outcome:
    """The rules of docs/security.md, written down a second time."""
    friend = place in FRIENDS
    coded = code is Code.NONE or door in OPEN
    if state == "unknown":
        quiet = door in OPEN - {"health"}
        return Outcome.ALLOW if quiet or (door in EXEMPT and friend and coded) else Outcome.UNKNOWN
    if state != "on" and not friend:
        return Outcome.STRANGER
    if state not in {"on", "off"} and not coded and code is not Code.RIGHT:
        return Outcome.NO_CODE
    if not state.startswith("on") or door in EXEMPT:
        return Outcome.ALLOW
    if who in {"anonymous", "expired"}:
        return Outcome.NO_TOKEN
    needs_more = door in {"start", "new"} and who == "viewer"
    return Outcome.ROLE if needs_more else Outcome.ALLOW


@pytest.mark.parametrize("state", STATES)
def test_the_table(state: str) -> None:
    outcomes = set()
    for door, place, who, code in product(DOORS, FROM, WHO, Code):
        hosts, origins = FROM[place]
        ask = Ask(DOORS[door], hosts, origins, own_port=8000, code=code)
        decision = decide(ask, PAGES, STATES[state], WHO[who])
        wanted = _expected(state, door, place, who, code)
        assert decision.outcome is wanted, (door, place, who, code, decision)
        assert bool(decision.reason) == (wanted is not Outcome.ALLOW)
        outcomes.add(decision.outcome)
    assert len(outcomes) >= 2


def test_what_is_settled_is_allowed_whatever_the_accounts_are() -> None:
    found = 0
    for door, place, code in product(DOORS, FROM, Code):
        hosts, origins = FROM[place]
        ask = Ask(DOORS[door], hosts, origins, own_port=8000, code=code)
        outcomes = {
            decide(ask, PAGES, state, who).outcome
            for state in STATES.values()
            for who in WHO.values()
        }
        if settled(ask, PAGES):
            assert outcomes == {Outcome.ALLOW}, (door, place, code)
            found += 1
        else:
            assert outcomes != {Outcome.ALLOW}, (door, place, code)
    assert found > 5


def test_the_document_says_what_is_decided() -> None:
    text = (PROJECT / "docs" / "security.md").read_text(encoding="utf-8")
    networks = [str(network).removesuffix("/128") for network in neighbors.NETWORKS]
    names = [f"*{suffix}" for suffix in neighbors.SUFFIXES]
    assert [word for word in (*networks, *names) if word not in text] == []
    exempt = [path.rpartition("/")[2] for _, path in EXEMPT_ROUTES]
    line = next(line for line in text.splitlines() if line.startswith("- **Exempt**"))
    assert [word for word in exempt if word not in line] == []


def test_a_new_route_is_closed() -> None:
    assert door_of("GET", "/new") == Door(Role.ADMIN, code=True, quiet=False)
    assert door_of(SOCKET, "/ws/new") == Door(Role.ADMIN, code=True, quiet=False)
    assert door_of("GET", "/auth/login").role is Role.ADMIN
