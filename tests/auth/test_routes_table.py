"""docs/security.md, "Roles and routes": what stands there is what routes ask for."""

import re
from pathlib import Path

from starlette.routing import Route

from services.api.auth.roles import EXEMPT, NEEDED, SOCKET
from services.api.headers import SECURITY
from shared.models.account import Role
from tests.auth.conftest import Stack
from tests.auth.test_walk import _all_routes

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
Pair = tuple[str, str]


def documented() -> dict[str, set[Pair]]:
    """Least role to method and path."""
    text = GUIDE.read_text(encoding="utf-8").partition("## Roles and routes")[2]
    found = {}
    for role in ("none", "viewer", "operator"):
        row = re.search(rf"^\| {role} \| (.*) \|$", text, flags=re.MULTILINE)
        assert row is not None, role
        routes = re.findall(r"`([A-Z/]+) (/[^`]*)`", row[1])
        found[role] = {
            (SOCKET if method == "WS" else method, path)
            for methods, path in routes
            for method in methods.split("/")
        }
    return found


def test_the_table_is_complete() -> None:
    found = documented()
    assert found["none"] == EXEMPT
    for role in (Role.VIEWER, Role.OPERATOR):
        assert found[role.value] == {pair for pair, needed in NEEDED.items() if needed is role}
    assert Role.ADMIN not in NEEDED.values()  # "every other one"


async def test_each_role_gets_what_the_table_says(stack: Stack) -> None:
    admin = (await stack.setup()).access
    tokens = {
        "viewer": (await stack.add(admin, "vera", "viewer")).access,
        "operator": (await stack.add(admin, "otto", "operator")).access,
    }
    table = documented()
    may = {"viewer": table["none"] | table["viewer"]}
    may["operator"] = may["viewer"] | table["operator"]
    routes = {
        (method, route.path)
        for route in _all_routes(stack.one.app.routes)
        if isinstance(route, Route)
        for method in route.methods or ()
    } - {("HEAD", path) for _, path in (*EXEMPT, *NEEDED)}
    refused = {"viewer": 0, "operator": 0}
    for method, path in sorted(routes):
        asked = ("GET" if method == "HEAD" else method, path)
        for role, token in tokens.items():
            if asked in may[role]:
                continue  # what those do is tested elsewhere: here they would end the session
            headers = {"Authorization": f"Bearer {token}"}
            answer = await stack.one.http.request(method, path, headers=headers)
            assert answer.status_code == 403, (role, method, path)
            assert {key: answer.headers.get(key) for key in SECURITY} == SECURITY
            refused[role] += 1
    assert refused["viewer"] > refused["operator"] > 10
