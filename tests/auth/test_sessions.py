"""Refresh chains, revocation on every replica, and what the original left behind."""

import asyncio
import time
from typing import Any

import bcrypt
import orjson
import pytest
from jose import jwt

from services.api.auth import sessions
from tests.auth.conftest import PASSWORD, Pair, Replica, Stack
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until

SECRET = "original-secret-of-43-characters-0123456789"


async def _refresh(replica: Replica, token: str) -> Any:
    return await replica.post("/auth/refresh", {"refresh_token": token})


async def _works(replica: Replica, token: str) -> bool:
    return (await replica.get("/process/processes", token)).status_code == 200


async def test_claims(stack: Stack) -> None:
    pair = await stack.setup()
    for token, kind, lifetime in (
        (pair.access, "access", 3600),
        (pair.refresh, "refresh", 30 * 86400),
    ):
        assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
        claims = jwt.get_unverified_claims(token)
        assert set(claims) == {"sub", "exp", "type", "provider", "groups", "iat", "jti", "fam"}
        assert (claims["sub"], claims["type"]) == ("alice", kind)
        assert (claims["provider"], claims["groups"]) == ("local", [])
        assert claims["exp"] - claims["iat"] == lifetime


async def test_two_tabs_get_the_same_successor(stack: Stack) -> None:
    pair = await stack.setup()
    answers = await asyncio.gather(
        *(_refresh(stack.replicas[n % 2], pair.refresh) for n in range(6))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({Pair.of(answer).refresh for answer in answers}) == 1
    for answer in answers:
        assert await _works(stack.two, Pair.of(answer).access)


async def test_a_used_refresh_token_ends_the_family(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = await stack.setup()
    other = await stack.two.login()
    stolen = Pair.of(await _refresh(stack.one, pair.refresh))
    monkeypatch.setattr(sessions, "GRACE_S", 0)  # as if ten seconds had passed
    assert (await _refresh(stack.two, pair.refresh)).status_code == 401
    assert not await _works(stack.one, stolen.access)
    assert not await _works(stack.two, pair.access)
    assert (await _refresh(stack.one, stolen.refresh)).status_code == 401
    assert await _works(stack.one, other.access)


async def test_an_older_token_of_the_chain_ends_it_even_within_the_grace(stack: Stack) -> None:
    pair = await stack.setup()
    second = Pair.of(await _refresh(stack.one, pair.refresh))
    third = Pair.of(await _refresh(stack.one, second.refresh))
    assert (await _refresh(stack.two, pair.refresh)).status_code == 401
    assert not await _works(stack.two, third.access)


async def test_logout_ends_one_login_everywhere(stack: Stack) -> None:
    pair, other = await stack.setup(), await stack.two.login()
    assert (await stack.one.post("/auth/logout", token=pair.access)).status_code == 200
    assert not await _works(stack.two, pair.access)
    assert (await _refresh(stack.two, pair.refresh)).status_code == 401
    assert await _works(stack.one, other.access)
    assert (await stack.one.post("/auth/logout")).status_code == 401


async def test_a_new_password_ends_all_logins_of_its_user(stack: Stack) -> None:
    alice = await stack.setup()
    bob = await stack.add(alice.access, "bobby", "viewer")
    path = "/auth/users/bobby/password"
    new = "another password"
    for body, status in (
        ({"password": new}, 400),
        ({"password": new, "current_password": "wrong"}, 400),
        ({"password": "short", "current_password": PASSWORD}, 400),
        ({"current_password": PASSWORD}, 422),
    ):
        assert (await stack.one.put(path, body, bob.access)).status_code == status
    other = {"password": new, "current_password": PASSWORD}
    assert (await stack.one.put("/auth/users/alice/password", other, bob.access)).status_code == 403
    body = {"password": new, "current_password": PASSWORD}
    assert (await stack.one.put(path, body, bob.access)).status_code == 200
    assert not await _works(stack.two, bob.access)
    assert (await _refresh(stack.two, bob.refresh)).status_code == 401
    assert await _works(stack.two, alice.access)
    again = await stack.two.login("bobby", new)
    # An administrator needs no password of somebody else's.
    assert (await stack.one.put(path, {"password": PASSWORD}, alice.access)).status_code == 200
    assert not await _works(stack.two, again.access)


async def test_lifetimes_are_configurable(stack: Stack, redis_url: str) -> None:
    await stack.setup()
    short = await stack.start(redis_url, access_s=1, refresh_s=2)
    pair = await short.login()
    # The claims say what was set; that a token of one second is seen alive would be a race.
    for token, lifetime in ((pair.access, 1), (pair.refresh, 2)):
        claims = jwt.get_unverified_claims(token)
        assert claims["exp"] - claims["iat"] == lifetime
    await asyncio.sleep(max(0, jwt.get_unverified_claims(pair.refresh)["exp"] - time.time()))
    assert not await _works(stack.two, pair.access)
    assert (await _refresh(stack.two, pair.refresh)).status_code == 401


def _original(username: str, kind: str, lifetime: int = 3600, **claims: Any) -> str:
    tree = {"sub": username, "exp": int(time.time()) + lifetime, "type": kind, **claims}
    return jwt.encode({"provider": "local", "groups": [], **tree}, SECRET, algorithm="HS256")


@pytest.fixture
def original_file(supervisor: SupervisorProcess) -> bytes:
    """A users.json as the original writes it, before the supervisor starts."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    users = [
        {"username": "alice", "password": hashed, "disabled": False},
        {"username": "Al", "password": hashed, "disabled": True},
    ]
    tree = {
        "enabled": True,
        "users": users,
        "jwt_secret": SECRET,
        "setup_skipped": False,
        "mode": "local",
        "oidc": {"client_id": "kept"},
        "later": [1],
    }
    path = supervisor.home / "users.json"
    path.write_bytes(orjson.dumps(tree))
    path.chmod(0o644)
    return hashed.encode()


async def test_accounts_and_tokens_of_the_original_go_on(
    original_file: bytes, stack: Stack
) -> None:
    one, two = stack.one, stack.two
    access, refresh = _original("alice", "access"), _original("alice", "refresh")
    assert await _works(one, access)
    assert not await _works(one, _original("Al", "access"))
    assert not await _works(one, _original("alice", "access", provider="oidc"))
    assert not await _works(one, _original("alice", "access", lifetime=-1))
    # A refresh works once; within the grace it gives the same; later its use ends the family.
    first = Pair.of(await _refresh(one, refresh))
    assert Pair.of(await _refresh(two, refresh)).refresh == first.refresh
    second = Pair.of(await _refresh(two, first.refresh))
    assert (await _refresh(one, refresh)).status_code == 401
    assert not await _works(one, second.access)
    assert await _works(two, access)
    # The password verifies, and is stored in a stronger form.
    login = await one.login()
    path = stack.users_file
    await wait_until(lambda: b'"password": "$argon2id$' in path.read_bytes(), what="the upgrade")
    tree = orjson.loads(path.read_bytes())
    assert [user["username"] for user in tree["users"]] == ["alice", "Al"]
    assert tree["users"][0]["password"].startswith("$argon2id$")
    assert set(tree["users"][0]) == {"username", "password", "disabled"}
    assert tree["users"][1]["password"].encode() == original_file
    assert (tree["oidc"], tree["later"]) == ({"client_id": "kept"}, [1])
    assert tree["jwt_secret"] == SECRET
    assert path.stat().st_mode & 0o777 == 0o600
    assert await _works(two, login.access)  # an upgrade logs nobody out
    assert await _works(two, access)
    await two.login()
    # A logout ends a token of the original too, and a new password all that are left.
    assert (await one.post("/auth/logout", token=access)).status_code == 200
    assert not await _works(two, access)
    fresh = _original("alice", "access", 3000)
    assert await _works(two, fresh)
    body = {"password": "another password", "current_password": PASSWORD}
    assert (await one.put("/auth/users/alice/password", body, fresh)).status_code == 200
    assert not await _works(two, fresh)
    assert (await _refresh(one, _original("alice", "refresh"))).status_code == 401


async def test_every_used_token_of_the_original_is_remembered_until_it_expires(
    original_file: bytes, stack: Stack
) -> None:
    assert original_file
    token = _original("alice", "refresh", 90 * 86400)
    assert (await _refresh(stack.one, token)).status_code == 200
    redis = stack.supervisor.redis
    keys: Any = redis.keys("dumb:session:o-*")
    lasts: Any = redis.ttl(keys[0])
    assert lasts >= 90 * 86400
