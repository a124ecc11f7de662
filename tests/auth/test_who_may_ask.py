"""Hosts, pages and tokens at a real stack, as docs/security.md says it; the table: test_policy."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from starlette.requests import Request
from websockets.exceptions import ConnectionClosed

from services.api.auth.access import Access
from services.api.auth.doors import PASSED
from services.api.auth.errors import ForbiddenError
from shared.bus.keys import Keys
from tests.auth.conftest import PASSWORD, Replica, Stack, bearer
from tests.support.wait import wait_until

LAN = {"Origin": "http://192.168.1.10:3005"}
EVIL = {"Origin": "http://evil.example:3005"}
NEXT_DOOR = {"Origin": "http://127.0.0.1:9999"}
REBOUND = {"Host": "evil.example:8000"}
PUBLIC = {"Host": "dumb.example.org", "Origin": "https://elsewhere.example"}
SOCKETS = ("/ws/status", "/ws/metrics", "/ws/logs")


async def _socket_end(replica: Replica, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Code and reason with which a socket is closed at once; 0 for one that stays open."""
    host = headers.get("Host", "127.0.0.1").partition(":")[0]
    url = f"ws://{host}:{replica.port}{path}"
    socket = await replica.socket_at(url, origin=headers.get("Origin"))
    try:
        with suppress(ConnectionClosed):
            async with asyncio.timeout(10):
                await (await socket.ping())
                return 0, ""
        return socket.close_code or 0, socket.close_reason or ""
    finally:
        await socket.close()


async def test_the_frontend_at_an_address_of_the_network(stack: Stack) -> None:
    """It forwards with its own Host, and the Origin of the page: nothing is configured."""
    one = stack.one

    async def post(path: str, headers: dict[str, str], **more: Any) -> int:
        return (await one.http.post(path, headers=headers, **more)).status_code

    alice = {"username": "alice", "password": PASSWORD}
    stop = {"process_name": "Web"}
    for stranger in (EVIL, NEXT_DOOR, {"Origin": "null"}, REBOUND, {**REBOUND, **LAN}):
        assert await post("/auth/setup", stranger, json=alice) == 403
        assert await post("/auth/skip-setup", stranger) == 403
        assert await post("/auth/users", stranger, json=alice) == 403
        assert await post("/process/start-service", stranger, json=stop) == 403
        assert await post("/auth/verify", stranger, params={"token": "x"}) == 403
        for path in SOCKETS:
            assert (await _socket_end(one, path, stranger))[0] == 1008, (stranger, path)
    assert await post("/auth/skip-setup", LAN) == 200
    made = await one.http.post("/auth/setup", headers=LAN, json=alice)
    assert made.status_code == 200
    assert made.headers["access-control-allow-origin"] == LAN["Origin"]
    login = await one.http.post("/auth/login", headers=LAN, json=alice)
    token = login.json()["access_token"]
    verified = await one.http.post("/auth/verify", headers=LAN, params={"token": token})
    assert verified.json() == {"valid": True, "username": "alice"}
    assert await post("/process/stop-service", LAN | bearer(token), json=stop) == 200
    for path in SOCKETS:
        assert await _socket_end(one, f"{path}?token={token}", LAN) == (0, "")
        code, reason = await _socket_end(one, path, LAN)
        assert (code, "token" in reason) == (1008, True)


async def test_with_authentication_on_a_token_is_all_that_counts(stack: Stack) -> None:
    token = (await stack.setup()).access
    one = stack.one
    for asker in (LAN, EVIL, NEXT_DOOR, REBOUND, PUBLIC, {"Origin": "null"}):
        for path in ("/auth/status", "/health", "/livez", "/readyz", "/docs", "/openapi.json"):
            assert (await one.http.get(path, headers=asker)).status_code == 200, (asker, path)
        for path in ("/process/processes", "/config", "/nothing"):
            assert (await one.http.get(path, headers=asker)).status_code == 401, (asker, path)
        body = {"username": "alice", "password": PASSWORD}
        pair = await one.http.post("/auth/login", headers=asker, json=body)
        assert pair.status_code == 200
        refresh = {"refresh_token": pair.json()["refresh_token"]}
        again = await one.http.post("/auth/refresh", headers=asker, json=refresh)
        assert again.status_code == 200
        verified = await one.http.post("/auth/verify", headers=asker, params={"token": token})
        assert verified.json()["valid"] is True
        assert (await one.http.post("/auth/setup", headers=asker, json=body)).status_code == 400
        stop = {"process_name": "Web"}
        for headers, status in ((asker, 401), (asker | bearer(token), 200)):
            answer = await one.http.post("/process/stop-service", headers=headers, json=stop)
            assert answer.status_code == status, asker
        for path in SOCKETS:
            assert await _socket_end(one, f"{path}?token={token}", asker) == (0, "")
            code, reason = await _socket_end(one, f"{path}?token=x", asker)
            assert (code, "token" in reason) == (1008, True)


async def test_reading_answers_is_for_known_pages(stack: Stack) -> None:
    token = (await stack.setup()).access
    for origin, status, shown in (
        (LAN, 200, LAN["Origin"]),
        (EVIL, 400, None),
        (NEXT_DOOR, 400, None),
    ):
        asked = {**origin, "Access-Control-Request-Method": "POST"}
        preflight = await stack.one.http.options("/config", headers=asked)
        assert preflight.status_code == status
        assert status == 200 or preflight.json() == {"detail": "Disallowed CORS origin"}
        for headers in (origin, origin | bearer(token)):
            answer = await stack.one.http.get("/process/processes", headers=headers)
            assert answer.headers.get("access-control-allow-origin") == shown
    assert (await stack.one.http.options("/config")).status_code == 401


async def test_switching_authentication_off_closes_what_strangers_opened(stack: Stack) -> None:
    token = (await stack.setup()).access
    path = f"/ws/status?token={token}"
    evil = await stack.two.socket(path, origin=EVIL["Origin"])
    friend = await stack.two.socket(path, origin=LAN["Origin"])
    assert await evil.recv()
    assert (await stack.one.post("/auth/disable", token=token)).status_code == 200
    async with asyncio.timeout(10):
        await evil.wait_closed()
    assert (evil.close_code, "evil.example" in str(evil.close_reason)) == (1008, True)
    assert await friend.recv()
    await friend.close()
    # Off is off, though there are users, and though a token is shown.
    for headers in (EVIL, NEXT_DOOR, REBOUND):
        for more in ({}, bearer(token)):
            answer = await stack.one.http.get("/process/processes", headers=headers | more)
            assert answer.status_code == 403, headers
            answer = await stack.one.http.post("/auth/enable", headers=headers | more)
            assert answer.status_code == 403, headers
    assert (await stack.one.http.post("/auth/enable", headers=LAN)).status_code == 200


async def test_while_it_is_not_known(stack: Stack) -> None:
    """Redis forgot the accounts: never open, and what needs no decision answers."""
    one = stack.one
    stack.supervisor.kill()
    stack.supervisor.redis.delete(Keys().auth_settings)
    for asker in ({}, LAN, EVIL, REBOUND, PUBLIC):
        stranger = asker not in ({}, LAN)
        for path in ("/auth/status", "/livez", "/docs"):
            assert (await one.http.get(path, headers=asker)).status_code == 200, (asker, path)
        health = await one.http.get("/health", headers=asker)
        assert health.status_code == (503 if stranger else 200), asker
        body = {"username": "alice", "password": PASSWORD}
        for path in ("/auth/setup", "/auth/login", "/auth/users", "/process/stop-service"):
            answer = await one.http.post(path, headers=asker, json=body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), (asker, path)
        assert (await one.http.get("/nothing", headers=asker)).status_code == 503
        assert (await _socket_end(one, "/ws/status", asker))[0] == 1013
    stack.supervisor.start()
    await wait_until(lambda: _answers(one), what="accounts")


async def _answers(replica: Replica) -> bool:
    return (await replica.get("/process/processes")).status_code == 200


async def test_a_users_file_that_demands_logins_without_users(stack: Stack) -> None:
    """`enabled` without users: routes need a token that cannot exist, and hosts are checked."""
    stack.supervisor.stop()
    tree = {"enabled": True, "users": [], "jwt_secret": "s" * 43}
    stack.users_file.write_bytes(orjson.dumps(tree))
    stack.supervisor.start()

    async def loaded() -> bool:
        return bool((await stack.one.get("/auth/status")).json().get("enabled"))

    await wait_until(loaded, what="the file")
    body = {"username": "alice", "password": PASSWORD}
    assert (await stack.one.get("/process/processes")).status_code == 401
    for stranger in (EVIL, REBOUND):
        answer = await stack.one.http.post("/auth/setup", headers=stranger, json=body)
        assert answer.status_code == 403
    assert (await stack.one.http.post("/auth/setup", headers=LAN, json=body)).status_code == 200


@pytest.mark.parametrize("enabled", [False, True])
async def test_a_route_that_the_guard_did_not_see_is_closed(stack: Stack, enabled: bool) -> None:
    token = (await stack.setup()).access
    if not enabled:
        await stack.one.post("/auth/disable", token=token)

    async def late() -> dict[str, str]:
        return {"open": "door"}

    stack.one.app.add_api_route("/late", late)
    assert (await stack.one.get("/late", token)).status_code == 403
    assert (await stack.one.get("/late")).status_code == (401 if enabled else 403)


async def test_the_second_lock() -> None:
    """Let through to one route, arrived at another: whatever made that possible."""

    class Place:
        path = "/config"

    scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "route": Place()}
    access: Callable[[Any], Awaitable[None]] = Access()
    for passed in (None, ("GET", "/health"), ("POST", "/config"), ("GET", "/config/")):
        with pytest.raises(ForbiddenError):
            await access(Request({**scope, PASSED: passed}))
    await access(Request({**scope, PASSED: ("GET", "/config")}))
