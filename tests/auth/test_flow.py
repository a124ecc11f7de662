"""What dmbdb does, and every shape and status of the contract (rest.md 1, auth.md 5 and 7)."""

import asyncio
from typing import Any

import orjson

from tests.auth.conftest import PASSWORD, Pair, Replica, Stack

STATUS = {
    "enabled": False,
    "has_users": False,
    "setup_skipped": False,
    "mode": "local",
    "local_login_enabled": True,
    "oidc_login_enabled": False,
    "oidc_provider_name": "",
}
ALICE = {"username": "alice", "password": PASSWORD}


async def test_the_flow_of_dmbdb(stack: Stack) -> None:
    one, two = stack.one, stack.two
    assert (await one.get("/api/auth/status")).json() == STATUS
    assert (await one.get("/process/processes", "garbage")).status_code == 200  # auth is off
    first = await stack.setup()
    assert (await two.get("/auth/status")).json() == STATUS | {"enabled": True, "has_users": True}
    login = Pair.of(await two.post("/api/auth/login", ALICE))
    assert (await one.get("/api/process/processes", login.access)).status_code == 200
    refused = await one.get("/process/processes")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert isinstance(refused.json()["detail"], str)
    # A 401 sends it to refresh, on any replica, and then to replay with the new token.
    again = Pair.of(await one.post("/api/auth/refresh", {"refresh_token": login.refresh}))
    assert again.access != login.access
    assert again.refresh != login.refresh
    assert (await two.get("/process/processes", again.access)).status_code == 200
    verified = await two.http.post("/auth/verify", params={"token": again.access})
    assert verified.json() == {"valid": True, "username": "alice"}
    for token in ("nonsense", again.refresh):
        answer = await one.http.post("/auth/verify", params={"token": token})
        assert (answer.status_code, answer.json()) == (200, {"valid": False, "username": None})
    assert (await one.http.post("/auth/verify")).status_code == 422
    assert (await one.get("/auth/users", first.access)).json() == {
        "users": [{"username": "alice", "disabled": False}]
    }
    assert (await one.get("/auth/provider", first.access)).json() == {
        "mode": "local",
        "oidc": {"client_secret_configured": False},
    }


async def test_without_users(stack: Stack) -> None:
    one = stack.one
    assert (await one.post("/auth/login", ALICE)).status_code == 401
    refresh = await one.post("/auth/refresh", {"refresh_token": "x"})
    assert refresh.status_code == 401
    assert "www-authenticate" not in refresh.headers
    assert (await one.post("/auth/enable")).status_code == 400
    assert (await one.post("/auth/disable")).status_code == 200
    assert (await one.put("/auth/users/alice", {"disabled": True})).status_code == 401
    assert (await one.delete("/auth/users/alice")).status_code == 401
    assert (await one.get("/auth/users")).json() == {"users": []}
    skipped = await one.post("/auth/skip-setup")
    assert (skipped.status_code, list(skipped.json())) == (200, ["message"])
    assert (await stack.two.get("/auth/status")).json() == STATUS | {"setup_skipped": True}
    # The first user through POST /auth/users clears the skip and switches authentication on.
    created = await stack.two.post("/auth/users", ALICE)
    assert (created.status_code, created.json()) == (200, {"username": "alice", "disabled": False})
    status = (await one.get("/auth/status")).json()
    assert (status["enabled"], status["setup_skipped"]) == (True, False)
    assert (await one.post("/auth/setup", ALICE)).status_code == 400
    assert (await one.post("/auth/skip-setup")).status_code == 400


async def test_users_and_their_guards(stack: Stack) -> None:
    alice = (await stack.setup()).access
    one, two = stack.one, stack.two
    bob = await stack.add(alice, "bobby")
    names = [u["username"] for u in (await two.get("/auth/users", bob.access)).json()["users"]]
    assert names == ["alice", "bobby"]
    assert (await one.post("/auth/users", {**ALICE, "username": "bobby"}, alice)).status_code == 400
    answer = await one.put("/auth/users/bobby", {"disabled": True}, alice)
    assert (answer.status_code, answer.json()) == (200, {"username": "bobby", "disabled": True})
    for replica in (one, two):  # at once, everywhere
        assert (await replica.get("/process/processes", bob.access)).status_code == 401
    assert (await one.post("/auth/refresh", {"refresh_token": bob.refresh})).status_code == 401
    wrong = await one.post("/auth/login", {"username": "alice", "password": "wrong wrong"})
    disabled = await one.post("/auth/login", {"username": "bobby", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()) == (disabled.status_code, disabled.json())
    assert wrong.status_code == 401
    assert "www-authenticate" not in wrong.headers
    assert (await one.put("/auth/users/alice", {"disabled": True}, alice)).status_code == 400
    assert (await one.put("/auth/users/nobody", {"disabled": True}, alice)).status_code == 400
    assert (await one.put("/auth/users/bobby", {}, alice)).status_code == 422
    assert (await one.delete("/auth/users/alice", alice)).status_code == 400
    assert (await one.delete("/auth/users/nobody", alice)).status_code == 400
    # Letting somebody in again does not bring old tokens back to life.
    assert (await one.put("/auth/users/bobby", {"disabled": False}, alice)).status_code == 200
    assert (await two.get("/process/processes", bob.access)).status_code == 401
    bob = await two.login("bobby")
    gone = await one.delete("/auth/users/bobby", alice)
    assert (gone.status_code, list(gone.json())) == (200, ["message"])
    assert (await two.get("/process/processes", bob.access)).status_code == 401
    # Neither does a new user of the same name inherit them.
    await stack.add(alice, "bobby")
    assert (await two.get("/process/processes", bob.access)).status_code == 401
    # The last one stays, whoever asks.
    own = await stack.add(alice, "carol")
    assert (await one.delete("/auth/users/bobby", alice)).status_code == 200
    assert (await one.delete("/auth/users/alice", own.access)).status_code == 200
    assert (await two.delete("/auth/users/carol", own.access)).status_code == 400


async def test_authentication_off_while_users_exist(stack: Stack) -> None:
    alice = (await stack.setup()).access
    one, two = stack.one, stack.two
    assert (await one.post("/auth/disable")).status_code == 401
    assert (await one.post("/auth/disable", token=alice)).status_code == 200
    assert (await two.get("/process/processes")).status_code == 200
    assert (await two.post("/auth/login", ALICE)).status_code == 401
    assert (await two.http.post("/auth/verify", params={"token": alice})).json()["valid"] is False
    assert (await two.post("/auth/disable")).status_code == 200
    # The original let anybody add users and lock the owner out.
    body = {"username": "mallory", "password": PASSWORD}
    for call in (
        one.post("/auth/users", body),
        one.put("/auth/users/alice", {"disabled": True}),
        one.delete("/auth/users/alice"),
        one.put("/auth/users/alice/password", {"password": "new password"}),
        one.post("/auth/tokens", {"name": "t"}),
    ):
        assert (await call).status_code == 401
    change = {"disabled": True}
    wrong = await one.http.put("/auth/users/bobby", json=change, auth=("alice", "wrong one"))
    assert wrong.status_code == 401
    shown = await one.http.put("/auth/users/bobby", json=change, auth=("alice", PASSWORD))
    assert shown.status_code == 400  # there is no bobby
    # Switching it on takes rights away, from everybody alike: anybody may (contract auth.md 7).
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Bearer {alice}"}):
        assert (await one.http.post("/auth/enable", headers=headers)).status_code == 200
        assert (await two.get("/process/processes")).status_code == 401
        assert (await two.post("/auth/enable")).status_code == 401
        assert (await two.post("/auth/disable", token=alice)).status_code == 200
    entries = [e for e in await _actors(one) if "switched authentication on" in e["outcome"]]
    assert [e["actor"] for e in entries][-3:] == [
        "anonymous@127.0.0.1",
        "anonymous@127.0.0.1",
        "alice@127.0.0.1",
    ]


async def test_of_fifty_setups_one_succeeds(stack: Stack) -> None:
    async def setup(number: int) -> int:
        replica = stack.replicas[number % 2]
        body = {"username": f"user-{number}", "password": PASSWORD}
        return (await replica.post("/auth/setup", body)).status_code

    statuses = await asyncio.gather(*(setup(number) for number in range(50)))
    assert sorted(statuses) == [200] + [400] * 49
    assert len(orjson.loads(stack.users_file.read_bytes())["users"]) == 1


async def test_of_many_first_users_one_is_made(stack: Stack) -> None:
    """Nobody's authority is enough only while there is no user, at the moment it counts."""

    async def create(number: int) -> int:
        replica = stack.replicas[number % 2]
        body = {"username": f"user-{number}", "password": PASSWORD}
        return (await replica.post("/auth/users", body)).status_code

    statuses = await asyncio.gather(*(create(number) for number in range(10)))
    assert sorted(statuses) == [200] + [401] * 9


BAD_INPUT: list[tuple[Any, Any, int]] = [
    ("al", PASSWORD, 400),
    ("alice", "short", 400),
    ("alice", "x" * 73, 400),
    ("alice", "x" * (1 << 20), 413),
    ("alice", "x" * 15_000, 422),
    ("x" * 5000, PASSWORD, 422),
    ("x" * 200, PASSWORD, 422),
    ("ali\nce", PASSWORD, 422),
    ("ali\u202ece", PASSWORD, 422),
    ("ali\u200bce", PASSWORD, 422),
    (" alice", PASSWORD, 422),
    ("ali/ce", PASSWORD, 422),
    (7, PASSWORD, 422),
    ("alice", None, 422),
]


async def test_bad_names_and_passwords(stack: Stack) -> None:
    calls = stack.one.auth.passwords.calls
    for username, password, status in BAD_INPUT:
        body = {"username": username, "password": password}
        for path in ("/auth/setup", "/auth/users"):
            answer = await stack.one.post(path, body)
            assert answer.status_code == status, answer.text[:500]
            assert password is None or password not in answer.text
    assert stack.one.auth.passwords.calls == calls
    assert (await stack.one.get("/auth/status")).json() == STATUS


async def test_names_are_exact_but_not_confusable(stack: Stack) -> None:
    alice = (await stack.setup("alice")).access
    for name in ("Alice", "ALICE", "\uff41lice", "al ice", "\u2170lice".replace("\u2170", "A")):
        body = {"username": name, "password": PASSWORD}
        assert (await stack.one.post("/auth/users", body, alice)).status_code == 400, name
    assert (
        await stack.one.post("/auth/login", {"username": "Alice", "password": PASSWORD})
    ).status_code == 401


async def test_long_passwords_are_read_to_their_end(stack: Stack) -> None:
    password = "\u6f22" * 70  # 210 bytes; bcrypt would read 72 of them
    await stack.setup("alice", password)
    almost = password[:-1] + "x"
    body = {"username": "alice", "password": almost}
    assert (await stack.one.post("/auth/login", body)).status_code == 401
    await stack.two.login("alice", password)


async def test_who_it_is_comes_before_what_is_in_the_body(stack: Stack) -> None:
    alice = (await stack.setup()).access
    headers = {"content-type": "application/json"}
    path = "/process/start-service"
    for content in (b"{", b"{}"):
        refused = await stack.one.http.post(path, content=content, headers=headers)
        assert refused.status_code == 401
        asked = {**headers, "Authorization": f"Bearer {alice}"}
        answer = await stack.one.http.post(path, content=content, headers=asked)
        assert answer.status_code == 422


async def _actors(replica: Replica) -> list[dict[str, str]]:
    entries = await replica.app.state.redis.xrange("dumb:audit")
    return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in entries]


async def test_nothing_of_a_password_is_kept(stack: Stack) -> None:
    await stack.setup()
    secret = "not-the-password-77"
    await stack.one.post("/auth/login", {"username": "alice", "password": secret})
    await stack.one.post("/auth/login", {"username": secret, "password": secret})
    entries = await _actors(stack.one)
    logins = [(e["actor"], e["outcome"]) for e in entries if e["action"] == "login"]
    assert logins == [("alice", "refused"), ("(unknown user)", "refused")]
    redis = stack.supervisor.redis
    hashed = orjson.loads(stack.users_file.read_bytes())["users"][0]["password"]
    keys: Any = redis.keys("*")
    for key in keys:
        if key.startswith((b"dumb:command:", b"dumb:audit", b"dumb:log", b"dumb:commands")):
            dump = redis.dump(key)
            kind: Any = redis.type(key)
            text: Any = b""
            if kind == b"hash":
                text = repr(redis.hgetall(key)).encode()
            elif kind == b"stream":
                text = repr(redis.xrange(key)).encode()
            for needle in (PASSWORD.encode(), secret.encode(), hashed.encode()):
                assert needle not in text, key
            assert dump is not None
    output = stack.supervisor.output.read_bytes()
    assert hashed.encode() not in output
    journal = (stack.supervisor.home / "run" / "journal.jsonl").read_bytes()
    assert hashed.encode() not in journal
