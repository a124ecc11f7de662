"""Roles, API tokens, and what the lesser of them do not get to see."""

import time
from typing import Any

import orjson

from shared.config.masking import masked
from tests.auth.conftest import PASSWORD, Stack

MINE = "/auth/tokens"


async def test_what_each_role_may(stack: Stack) -> None:
    admin = (await stack.setup()).access
    operator = (await stack.add(admin, "otto", "operator")).access
    viewer = (await stack.add(admin, "vera", "viewer")).access
    body = {"process_name": "Nothing"}
    user = {"username": "new", "password": PASSWORD}
    table: list[tuple[str, str, Any, tuple[int, int, int]]] = [
        ("GET", "/process/processes", None, (200, 200, 200)),
        ("GET", "/logs?process_name=Web", None, (200, 200, 200)),
        ("GET", "/config", None, (200, 200, 200)),
        ("POST", "/process/start-service", body, (404, 404, 403)),
        ("POST", "/process/stop-service", body, (404, 404, 403)),
        ("POST", "/process/restart-service", body, (404, 404, 403)),
        ("POST", "/process/reset-restart-state", body, (404, 404, 403)),
        ("GET", "/auth/users", None, (200, 403, 403)),
        ("POST", "/auth/users", user, (200, 403, 403)),
        ("PUT", "/auth/users/vera", {"disabled": False}, (200, 403, 403)),
        ("DELETE", "/auth/users/new", None, (200, 403, 403)),
        ("POST", "/auth/enable", None, (200, 403, 403)),
    ]
    for method, path, content, expected in table:
        for token, status in zip((admin, operator, viewer), expected, strict=True):
            headers = {"Authorization": f"Bearer {token}"}
            answer = await stack.two.http.request(method, path, json=content, headers=headers)
            assert answer.status_code == status, (method, path, status, answer.text)
    for token, role in ((admin, "admin"), (operator, "operator"), (viewer, "viewer")):
        me = (await stack.one.get("/auth/me", token)).json()
        assert (me["role"], me["auth_enabled"], me["api_token"]) == (role, True, None)
    details = (await stack.one.get("/auth/users?details=1", admin)).json()["users"]
    assert [user["role"] for user in details] == ["admin", "operator", "viewer"]
    # A role counts from the moment it is given, also for tokens that were issued before.
    change = {"disabled": False, "role": "operator"}
    assert (await stack.one.put("/auth/users/vera", change, admin)).status_code == 200
    assert (await stack.two.post("/process/start-service", body, viewer)).status_code == 404
    # One administrator must remain, or nobody could change anything any more.
    demoted = {"disabled": False, "role": "viewer"}
    assert (await stack.one.put("/auth/users/alice", demoted, admin)).status_code == 400


async def test_secrets_are_masked(stack: Stack) -> None:
    admin = (await stack.setup()).access
    viewer = (await stack.add(admin, "vera", "viewer")).access
    for path in ("/config", "/config?process_name=Web", "/process/processes",
                 "/process?process_name=Web"):  # fmt: skip
        shown = (await stack.one.get(path, admin)).text
        assert all(secret in shown for secret in ("k-12345", "hunter22", "abcdef123")), path
        for token, query in ((viewer, ""), (admin, "masked=1")):
            url = path + (("&" if "?" in path else "?") + query if query else "")
            hidden = (await stack.one.get(url, token)).text
            assert not any(s in hidden for s in ("k-12345", "hunter22", "abcdef123")), path
            assert all(s in hidden for s in ('"***"', "PLAIN", "sleep")), path
            assert ("shown" in hidden) == (token == admin), path


def test_masking() -> None:
    tree = {
        "api_key": "k",
        "empty_token": "",
        "token": None,
        "secret": True,
        "password": 5,
        "passwords": ["a"],
        "api_keys": {"x": "y", "list": ["z"]},
        "url": "postgres://user:pw@host/db",
        "plain": "https://host/path?x=1",
        "nested": [{"plex_token": "t"}],
    }
    assert masked(tree) == {
        "api_key": "***",
        "empty_token": "",
        "token": None,
        "secret": True,
        "password": "***",
        "passwords": ["***"],
        "api_keys": {"x": "***", "list": ["***"]},
        "url": "postgres://***@host/db",
        "plain": "https://host/path?x=1",
        "nested": [{"plex_token": "***"}],
    }


async def test_api_tokens(stack: Stack) -> None:
    admin = (await stack.setup()).access
    answer = await stack.one.post(MINE, {"name": "Home Assistant", "role": "operator"}, admin)
    made = answer.json()
    token = made.pop("token")
    assert answer.headers["cache-control"] == "no-store"
    assert token.startswith("dumb_")
    assert (made["role"], made["owner"], made["expires_at"]) == ("operator", "alice", None)
    me = (await stack.two.get("/auth/me", token)).json()
    assert (me["username"], me["role"], me["api_token"]) == ("alice", "operator", made["id"])
    assert (await stack.two.get("/process/processes", token)).status_code == 200
    assert (await stack.two.get("/auth/users", token)).status_code == 403
    socket = await stack.two.socket(f"/ws/status?token={token}")
    assert '"type":"status"' in str(await socket.recv())
    # Shown once, kept nowhere.
    assert token not in (await stack.one.get(MINE, admin)).text
    assert (await stack.one.get(MINE, admin)).json() == {"tokens": [made]}
    assert token.encode() not in stack.users_file.read_bytes()
    # It cannot make or change what could do more than itself.
    assert (await stack.one.post(MINE, {"name": "x"}, token)).status_code == 403
    path = "/auth/users/alice/password"
    assert (await stack.one.put(path, {"password": PASSWORD}, token)).status_code == 403
    assert (await stack.one.delete(f"{MINE}/{made['id']}", token)).status_code == 403
    assert (await stack.one.delete(f"{MINE}/nothing", admin)).status_code == 404
    assert (await stack.one.delete(f"{MINE}/{made['id']}", admin)).status_code == 200
    assert (await stack.two.get("/process/processes", token)).status_code == 401
    await socket.wait_closed()
    assert socket.close_code == 1008


async def test_an_api_token_follows_its_owner(stack: Stack) -> None:
    admin = (await stack.setup()).access
    otto = (await stack.add(admin, "otto", "operator")).access
    assert (await stack.one.post(MINE, {"name": "x", "role": "admin"}, otto)).status_code == 403
    mine = (await stack.one.post(MINE, {"name": "mine"}, otto)).json()
    token = mine["token"]
    assert mine["role"] == "operator"
    vera = (await stack.add(admin, "vera", "viewer")).access
    assert (await stack.one.get(MINE, vera)).json() == {"tokens": []}
    assert (await stack.one.delete(f"{MINE}/{mine['id']}", vera)).status_code == 404
    down = {"disabled": False, "role": "viewer"}
    assert (await stack.one.put("/auth/users/otto", down, admin)).status_code == 200
    assert (await stack.two.get("/auth/me", token)).json()["role"] == "viewer"
    off = {"disabled": True}
    assert (await stack.one.put("/auth/users/otto", off, admin)).status_code == 200
    assert (await stack.two.get("/auth/me", token)).status_code == 401
    on = {"disabled": False}
    assert (await stack.one.put("/auth/users/otto", on, admin)).status_code == 200
    assert (await stack.two.get("/auth/me", token)).status_code == 200
    body = {"password": "another password", "keep_api_tokens": True}
    assert (await stack.one.put("/auth/users/otto/password", body, admin)).status_code == 200
    assert (await stack.two.get("/auth/me", token)).status_code == 200
    body = {"password": "another password"}
    assert (await stack.one.put("/auth/users/otto/password", body, admin)).status_code == 200
    assert (await stack.two.get("/auth/me", token)).status_code == 401


async def test_an_api_token_expires(stack: Stack) -> None:
    admin = (await stack.setup()).access
    made = (await stack.one.post(MINE, {"name": "x", "expires_in_days": 1}, admin)).json()
    assert 86390 < made["expires_at"] - time.time() <= 86401
    assert (await stack.one.get("/auth/me", made["token"])).status_code == 200
    tree = orjson.loads(stack.users_file.read_bytes())
    tree["api_tokens"][0]["expires_at"] = time.time() - 1
    stack.supervisor.stop()
    stack.users_file.write_bytes(orjson.dumps(tree))
    stack.supervisor.start()
    assert (await stack.one.get("/auth/me", made["token"])).status_code == 401


async def test_bad_api_tokens(stack: Stack) -> None:
    admin = (await stack.setup()).access
    bodies: list[dict[str, Any]] = [
        {},
        {"name": ""},
        {"name": "x" * 65},
        {"name": "a\nb"},
        {"name": "x", "role": "root"},
        {"name": "x", "expires_in_days": 0},
        {"name": "x", "expires_in_days": 10**9},
    ]
    for body in bodies:
        assert (await stack.one.post(MINE, body, admin)).status_code == 422, body
    assert (await stack.one.get(MINE, admin)).json() == {"tokens": []}
