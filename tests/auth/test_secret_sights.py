"""What operators, viewers and strangers get to see: no secret, no environment, no name."""

from typing import Any

import orjson
import pytest

from services.api.auth.roles import NEEDED, SOCKET
from shared.models.account import Role
from tests.auth.conftest import Stack
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until

CANARY = "canary7"
BROKEN = "/no/such/program-of-ours"
SERVICES: dict[str, Any] = {
    "web": {
        "enabled": False,
        "process_name": "Web",
        "command": ["sleep", "100", "--rc-pass", f"{CANARY}a", f"--token={CANARY}b"],
        "api_key": f"{CANARY}c",
        "pass": f"{CANARY}d",
        "apikey_other": f"{CANARY}e",
        "credentials": [f"{CANARY}f"],
        "session_cookie": f"{CANARY}g",
        "database_url": f"postgres://bob:{CANARY}h@db/x",
        "headers": {"Authorization": f"Token {CANARY}i", "Cookie": f"a={CANARY}j"},
        "env": {"PLAIN": f"{CANARY}k", "DB_PASSWORD": f"{CANARY}l"},
    },
    "other": {"enabled": True, "process_name": "Other Service", "command": [BROKEN]},
    "third": {"enabled": True, "process_name": "Third", "command": [BROKEN]},
}


@pytest.fixture
def supervisor(supervisor: SupervisorProcess) -> SupervisorProcess:
    supervisor.write_config(SERVICES, onboarding_completed=True)
    return supervisor


async def test_no_route_shows_a_secret_to_others(stack: Stack) -> None:
    admin = (await stack.setup()).access
    body = {"process_name": "Web", "updates": {"api_key": f"{CANARY}n"}, "persist": True}
    assert (await stack.one.post("/config", body, admin)).status_code == 200
    body = {"process_name": "Web", "updates": {"env": {"OTHER": f"{CANARY}o"}}, "persist": True}
    assert (await stack.one.post("/config", body, admin)).status_code == 200
    assert f"{CANARY}o" in (await stack.one.get("/config", admin)).text
    asked = 0
    for role in (Role.OPERATOR, Role.VIEWER):
        token = (await stack.add(admin, f"the {role}".replace(" ", "-"), role.value)).access
        for (method, path), needed in NEEDED.items():
            if method == SOCKET or not role.covers(needed):
                continue
            url = path.replace("{", "").replace("}", "") + "?process_name=Web&sources=1"
            body = {"process_name": "Web", "service_name": "Web"}
            answer = await stack.two.http.request(
                method, url, json=body if method != "GET" else None,
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            if path == "/auth/logout":
                token = (await stack.two.login(f"the-{role}")).access
            assert CANARY not in answer.text, (role, method, path)
            asked += answer.status_code == 200
        for url in ("/config/versions/2/diff", "/environment", "/audit"):
            assert (await stack.two.get(url, token)).status_code == 403
    assert asked > 30


async def test_what_is_kept_about_changes_holds_no_secret(stack: Stack) -> None:
    admin = (await stack.setup()).access
    updates = {
        "api_key": f"{CANARY}n",
        "command": ["sleep", "1", "--rc-pass", f"{CANARY}o"],
        "env": {**SERVICES["web"]["env"], "APIKEY_X": f"{CANARY}p", "DB_PASSWORD": f"{CANARY}r"},
    }
    body = {"process_name": "Web", "updates": updates, "persist": True}
    assert (await stack.one.post("/config", body, admin)).status_code == 200
    wrong = {"process_name": "Web", "updates": {"env": f"{CANARY}q"}, "persist": True}
    refused = await stack.one.post("/config", wrong, admin)
    assert (refused.status_code, CANARY in refused.text) == (400, False)
    for url in ("/config/versions", "/config/versions/2/diff", "/audit", "/process/commands"):
        answer = await stack.one.get(url, admin)
        assert (answer.status_code, CANARY in answer.text) == (200, False), url
    redis: Any = stack.supervisor.redis
    for key in redis.scan_iter("dumb:*"):
        kind = redis.type(key)
        if key == b"dumb:config":  # what the API serves from, to administrators in clear
            continue
        value: Any = {
            b"hash": redis.hgetall, b"string": redis.get,
            b"stream": redis.xrange, b"list": lambda k: redis.lrange(k, 0, -1),
        }.get(kind, lambda _k: b"")(key)  # fmt: skip
        assert CANARY.encode() not in repr(value).encode(), key


async def test_an_older_diff_is_masked_when_it_is_shown(stack: Stack) -> None:
    admin = (await stack.setup()).access
    entry = {
        "version": 1, "at": 1.0, "actor": "x", "source": "api", "note": "", "persisted": True,
        "changes": [
            {"path": ["web", "pass"], "before": "old-one", "after": "new-one"},
            {"path": ["web", "command"], "after": ["x", "--rc-pass", "new-one"]},
            {"path": ["web", "port"], "before": 1, "after": 2},
            {"path": [], "more": True},
        ],
    }  # fmt: skip
    redis: Any = stack.supervisor.redis
    redis.hset("dumb:config:versions", "1", orjson.dumps(entry))
    answer = await stack.one.get("/config/versions/1/diff", admin)
    assert answer.json()["changes"] == [
        {"path": ["web", "pass"], "before": "***", "after": "***"},
        {"path": ["web", "command"], "after": ["x", "--rc-pass", "***"]},
        {"path": ["web", "port"], "before": 1, "after": 2},
        {"path": [], "more": True},
    ]


async def _details(stack: Stack, token: str | None = None) -> str:
    answer = await stack.one.get("/health", token)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    tree = answer.json()
    return str(tree.get("details", tree["status"]))


async def test_health_names_nothing_to_strangers(stack: Stack) -> None:
    async def both() -> bool:
        details = await _details(stack)
        return "Other Service" in details and "Third" in details

    await wait_until(both, what="both have failed")  # without accounts it is as it was
    assert BROKEN in await _details(stack)
    admin = (await stack.setup()).access
    viewer = (await stack.add(admin, "vera", "viewer")).access
    made = await stack.one.post("/auth/tokens", {"name": "x", "role": "viewer"}, admin)
    for token in (admin, viewer, made.json()["token"]):
        assert "Other Service" in await _details(stack, token)
    for bad in (None, "garbage", "dumb_" + "x" * 43):
        assert await _details(stack, bad) == "2 services need attention"
    stack.supervisor.config.write_text('{"dumb": "' + CANARY)

    async def refused() -> bool:
        return "configuration" in await _details(stack)

    await wait_until(refused, what="the broken file is seen")
    expected = "the configuration file cannot be used | 2 services need attention"
    assert await _details(stack) == expected
    assert str(stack.supervisor.config) in await _details(stack, admin)
    assert (await stack.one.get("/livez")).json() == {"status": "alive"}
    assert (await stack.one.get("/readyz")).json() == {"status": "ready"}
    await _logged_out(stack, viewer)


async def _logged_out(stack: Stack, token: str) -> None:
    assert (await stack.one.post("/auth/logout", token=token)).status_code == 200
    assert "attention" in await _details(stack, token)
