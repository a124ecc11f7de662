"""Closed by default: every operation of the OpenAPI document, and every socket."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from jose import jwt
from jose.utils import base64url_encode
from starlette.routing import BaseRoute, Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed

from services.api.auth.roles import EXEMPT, NEEDED, SOCKET
from services.api.headers import SECURITY
from tests.auth.conftest import Pair, Replica, Stack

EVERYWHERE = {"none", "garbage", "expired", "refresh", "other secret", "alg none", "deleted",
              "disabled"}  # fmt: skip
"""Tried at every operation; the rest at one, because one dependency decides for all."""
SOCKETS = ("/ws/logs", "/ws/status", "/ws/metrics")


def _unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    parts = [base64url_encode(json.dumps(part).encode()).decode() for part in (header, claims)]
    return ".".join([*parts, ""])


async def _bad_tokens(stack: Stack) -> dict[str, str | None]:
    """What must not open anything, by name."""
    admin = await stack.setup()
    gone, disabled = (
        await stack.add(admin.access, "deleted"),
        await stack.add(admin.access, "disabled"),
    )
    ended: Pair = await stack.two.login()
    secret = (stack.supervisor.redis.get("dumb:auth:secret") or b"").decode()  # type: ignore[union-attr]
    claims = jwt.get_unverified_claims(admin.access)

    def signed(key: str = secret, algorithm: str = "HS256", **changes: Any) -> str:
        tree = {k: v for k, v in (claims | changes).items() if v is not ...}
        return jwt.encode(tree, key, algorithm=algorithm)

    assert (await stack.one.get("/auth/me", signed())).status_code == 200  # the maker works
    nested: Any = []
    for _ in range(100):
        nested = [nested]
    found = {
        "none": None,
        "garbage": "garbage",
        "three parts": "a.b.c",
        "empty parts": "..",
        "expired": signed(exp=int(time.time()) - 1),
        "expires now": signed(exp=int(time.time())),
        "refresh": admin.refresh,
        "other secret": signed("x" * 43),
        "empty secret": signed(""),
        "HS512": signed(algorithm="HS512"),
        "alg none": _unsigned(claims, {"alg": "none", "typ": "JWT"}),
        "alg none, signed": _unsigned(claims, {"alg": "none"}) + admin.access.rpartition(".")[2],
        "no exp": signed(exp=...),
        "exp text": signed(exp="9999999999"),
        "exp list": signed(exp=[9999999999]),
        "exp true": signed(exp=True),
        "exp huge": signed(exp=1e308),
        "no sub": signed(sub=...),
        "sub number": _unsigned(claims | {"sub": 7}, {"alg": "HS256"}) + "x",
        "no type": signed(type=...),
        "type list": signed(type=["access"]),
        "no jti": signed(jti=...),
        "no family": signed(fam=...),
        "jti object": _unsigned(claims | {"jti": {}}, {"alg": "HS256"}) + "x",
        "unknown family": signed(fam="nobody"),
        "issued by the original, but for a user of ours": signed(jti=..., fam=..., iat=...),
        "another user's family": signed(sub="deleted"),
        "oidc": signed(provider="oidc"),
        "huge": signed(groups=["g" * 3000]),
        "very huge": "a" * 60_000,
        "nested": signed(groups=nested),
        "deep": base64url_encode(b'{"alg":"HS256"}').decode()
        + "."
        + base64url_encode(b"[" * 2500).decode()
        + ".x",
        "API token of nobody": "dumb_" + "x" * 43,
        "API token too long": "dumb_" + "x" * 4000,
        "deleted": gone.access,
        "disabled": disabled.access,
        "logged out": ended.access,
    }
    assert (await stack.one.delete("/auth/users/deleted", admin.access)).status_code == 200
    body = {"disabled": True}
    assert (await stack.one.put("/auth/users/disabled", body, admin.access)).status_code == 200
    assert (await stack.one.post("/auth/logout", token=ended.access)).status_code == 200
    for name in ("nested",):  # well signed, and what it carries is ignored
        assert (await stack.one.get("/auth/me", found.pop(name))).status_code == 200, name
    return found


def _operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    ]


async def test_the_walk(stack: Stack) -> None:
    document = (await stack.one.get("/openapi.json")).json()
    operations = _operations(document)
    closed = [operation for operation in operations if operation not in EXEMPT]
    assert len(closed) > 20
    tokens = await _bad_tokens(stack)
    for method, path in closed:
        url = path.replace("{", "").replace("}", "")
        for name, token in tokens.items():
            if (method, path) != closed[0] and name not in EVERYWHERE:
                continue
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            answer = await stack.two.http.request(method, url, headers=headers)
            assert answer.status_code == 401, (method, path, name, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert {key: answer.headers.get(key) for key in SECURITY} == SECURITY
    for scheme in ("Basic YWxpY2U6eA==", "Token x", "Bearer", "Bearer\tx", ""):
        headers = {"Authorization": scheme}
        assert (await stack.one.http.get("/logs", headers=headers)).status_code == 401, scheme
    assert (await stack.one.http.get("/logs?token=x&process_name=x")).status_code == 401
    for path in SOCKETS:
        for name, token in tokens.items():
            if name == "very huge":
                continue
            query = "" if token is None else f"?token={token}"
            code, reason = await _closing(stack.one, path + query)
            assert code == 1008, (path, name)
            assert "token" in reason.lower(), (path, name)


async def _closing(replica: Replica, path: str) -> tuple[int, str]:
    async with await replica.socket(path) as socket:
        with suppress(ConnectionClosed):
            async for _ in socket:
                continue
    return socket.close_code or 0, socket.close_reason or ""


def _all_routes(routes: Iterable[Any]) -> list[BaseRoute]:
    """Every route that answers, however routers are nested."""
    found: list[BaseRoute] = []
    for route in routes:
        inner = getattr(getattr(route, "original_router", route), "routes", None)
        found += _all_routes(inner) if inner else [route]
    return found


async def test_no_route_is_registered_past_the_check(stack: Stack) -> None:
    """The document lists what it is told to; this looks at what is really there."""
    await stack.setup()
    sockets = []
    asked = 0
    for route in _all_routes(stack.one.app.routes):
        if isinstance(route, WebSocketRoute):
            sockets.append(route.path)
            continue
        assert isinstance(route, Route)
        for method in route.methods or ():
            asked_as = "GET" if method == "HEAD" else method
            if (asked_as, route.path) in EXEMPT:
                continue
            answer = await stack.one.http.request(method, route.path)
            assert answer.status_code == 401, (method, route.path)
            asked += 1
    assert asked > 20
    assert sorted(sockets) == sorted(SOCKETS)


async def test_the_exempt_list_is_what_the_contract_says(stack: Stack) -> None:
    await stack.setup()
    document = (await stack.one.get("/openapi.json")).json()
    for method, path in _operations(document):
        operation = document["paths"][path][method.lower()]
        assert ("security" in operation) == ((method, path) not in EXEMPT), path
    for path in ("/health", "/livez", "/readyz", "/docs", "/scalar", "/openapi.json",
                 "/static/pages/icon.svg"):  # fmt: skip
        assert (await stack.one.get(path)).status_code == 200, path
    assert (await stack.one.get("/api/auth/status")).status_code == 200
    assert len(EXEMPT) == 13


async def test_every_role_is_given_to_a_route_that_exists(stack: Stack) -> None:
    document = (await stack.one.get("/openapi.json")).json()
    known = {*_operations(document), *((SOCKET, path) for path in SOCKETS)}
    assert NEEDED.keys() <= known
    assert {pair for pair in EXEMPT if pair[1].startswith("/auth")} <= known
