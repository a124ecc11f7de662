"""What happens when Redis or users.json does not say who may come in: nobody may."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from shared.bus.keys import Keys
from tests.auth.conftest import PASSWORD, Pair, Replica, Stack
from tests.support.redis_server import PrivateRedis
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until, wait_until_sync

ALICE = {"username": "alice", "password": PASSWORD}
UNKNOWN = {
    "enabled": True,
    "has_users": True,
    "setup_skipped": False,
    "mode": "local",
    "local_login_enabled": True,
    "oidc_login_enabled": False,
    "oidc_provider_name": "",
    "degraded": True,
}


async def _assert_unknown(replica: Replica, pair: Pair) -> None:
    """503 and never 401, which would log clients out."""
    refresh = {"refresh_token": pair.refresh}
    answers = [
        await replica.get("/process/processes"),
        await replica.get("/process/processes", pair.access),
        await replica.get("/logs?process_name=x", "garbage"),
        await replica.post("/auth/login", ALICE),
        await replica.post("/auth/refresh", refresh),
        await replica.http.post("/auth/verify", params={"token": pair.access}),
        await replica.post("/auth/setup", ALICE),
        await replica.post("/auth/skip-setup"),
        await replica.post("/auth/users", ALICE),
        await replica.post("/auth/enable"),
    ]
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    status = await replica.get("/auth/status")
    assert (status.status_code, status.json()) == (200, UNKNOWN)
    assert (await replica.get("/health")).status_code == 200
    socket = await replica.socket("/ws/status")
    await socket.wait_closed()
    assert socket.close_code == 1013


async def _known(replica: Replica) -> bool:
    return "degraded" not in (await replica.get("/auth/status")).json()


async def test_an_emptied_redis(stack: Stack) -> None:
    pair = await stack.setup()
    stack.supervisor.kill()
    redis = stack.supervisor.redis
    redis.flushall()
    for replica in stack.replicas:
        await _assert_unknown(replica, pair)
    fresh = await stack.start(stack.supervisor.redis_url)
    await _assert_unknown(fresh, pair)
    stack.supervisor.start()
    for replica in (*stack.replicas, fresh):
        await wait_until(lambda r=replica: _known(r), what="accounts")
        assert (await replica.get("/process/processes")).status_code == 401
        # An unknown login means "log in again".
        assert (await replica.get("/process/processes", pair.access)).status_code == 401
    await stack.one.login()


async def test_a_redis_emptied_under_a_supervisor_that_runs(stack: Stack) -> None:
    await stack.setup()
    stack.supervisor.redis.flushall()
    await wait_until(lambda: _known(stack.one), what="accounts")
    assert (await stack.one.get("/process/processes")).status_code == 401
    pair = await stack.two.login()
    await wait_until(lambda: stack.supervisor.redis.exists("dumb:config"), what="the configuration")
    assert (await stack.one.get("/process/processes", pair.access)).status_code == 200


async def test_parts_that_are_missing(stack: Stack) -> None:
    pair = await stack.setup()
    stack.supervisor.kill()
    redis = stack.supervisor.redis
    keys = Keys()
    for key in (keys.auth_users, keys.auth_settings, keys.auth_secret):
        kept: Any = redis.dump(key)
        redis.delete(key)
        await _assert_unknown(stack.one, pair)
        redis.restore(key, 0, kept)
    for field in ("epoch", "enabled", "mode", "users"):
        old: Any = redis.hget(keys.auth_settings, field)
        for value in (None, "", "x", "-1"):
            if value is None:
                redis.hdel(keys.auth_settings, field)
            else:
                redis.hset(keys.auth_settings, field, value)
            if (field, value) not in {("mode", ""), ("mode", "x"), ("mode", "-1")}:
                assert not await _known(stack.one), (field, value)
        redis.hset(keys.auth_settings, field, old)
    assert await _known(stack.one)
    # An account that is damaged is not let in, and takes nobody else along.
    redis.hset(keys.auth_users, "alice", b"{}")
    assert (await stack.one.get("/process/processes", pair.access)).status_code == 503
    assert (await stack.one.get("/process/processes")).status_code == 401


async def test_a_redis_that_was_put_back(
    fresh_redis: PrivateRedis,
    own_supervisor: SupervisorProcess,
    start_replica: Callable[..., Awaitable[Replica]],
) -> None:
    """Older data say that there are no users: whoever has seen newer ones does not believe it."""
    own_supervisor.start()
    replica = await start_replica(fresh_redis.url)
    keys = Keys()
    redis = own_supervisor.redis
    names = (keys.auth_settings, keys.auth_secret)
    older: dict[str, Any] = {name: redis.dump(name) for name in names}
    pair = Pair.of(await replica.post("/auth/setup", ALICE))
    own_supervisor.kill()
    for name, dump in older.items():
        redis.restore(name, 0, dump, replace=True)
    redis.delete(keys.auth_users)
    await _assert_unknown(replica, pair)
    own_supervisor.start()
    await wait_until(lambda: _known(replica), what="accounts")
    assert (await replica.get("/process/processes", pair.access)).status_code == 200


async def test_redis_dies_and_comes_back(
    fresh_redis: PrivateRedis,
    own_supervisor: SupervisorProcess,
    start_replica: Callable[..., Awaitable[Replica]],
) -> None:
    own_supervisor.start()
    replica = await start_replica(fresh_redis.url)
    pair = Pair.of(await replica.post("/auth/setup", ALICE))
    fresh_redis.kill()
    answer = await replica.get("/process/processes", pair.access)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (await replica.get("/auth/status")).json() == UNKNOWN
    fresh_redis.start()
    await wait_until(lambda: _known(replica), what="accounts")
    await replica.login()


async def test_an_unreadable_file_is_never_replaced(stack: Stack) -> None:
    pair = await stack.setup()
    stack.supervisor.stop()
    path = stack.users_file
    good = path.read_bytes()
    damaged = [
        good[: len(good) // 2],
        good.replace(b'"users": [', b'"users": [], "x": ['),
    ]
    for number, bad in enumerate(damaged):
        path.write_bytes(bad)
        stack.supervisor.start()
        await _assert_unknown(stack.one, pair)
        detail = (await stack.one.get("/logs?process_name=x")).json()["detail"]
        assert "users.json" in detail, (number, detail)
        assert path.read_bytes() == bad
        stack.supervisor.stop()
    path.unlink()  # gone is not empty either
    stack.supervisor.start()
    await _assert_unknown(stack.one, pair)
    assert not path.exists()
    path.write_bytes(good)  # noticed without a restart
    await wait_until(lambda: _known(stack.one), what="accounts")
    assert (await stack.two.get("/process/processes", pair.access)).status_code == 200
    output = stack.supervisor.output.read_text()
    assert "accounts are not available" in output
    assert "accounts are available again" in output


async def test_a_hand_edited_file_counts_at_once(stack: Stack) -> None:
    pair = await stack.setup()
    tree = orjson.loads(stack.users_file.read_bytes())
    tree["users"][0]["disabled"] = True
    temporary = stack.users_file.with_suffix(".tmp")
    temporary.write_bytes(orjson.dumps(tree))
    temporary.rename(stack.users_file)

    async def refused() -> bool:
        return (await stack.two.get("/process/processes", pair.access)).status_code == 401

    await wait_until(refused, what="the edit")


async def test_a_change_is_made_once_though_the_supervisor_dies(stack: Stack) -> None:
    """The file is written, the outcome is not: who comes next finds it in the file."""
    alice = await stack.setup()
    supervisor = stack.supervisor
    hashed = orjson.loads(stack.users_file.read_bytes())["users"][0]["password"]
    args = {"op": "create-user", "username": "bobby", "password_hash": hashed, "by": "alice"}
    entry = supervisor.send("update-accounts", "", args=orjson.dumps(args).decode(), id="c-1")
    assert supervisor.result(entry)["status"] == "succeeded"
    supervisor.kill()
    journal = supervisor.home / "run" / "journal.jsonl"
    lines = [line for line in journal.read_bytes().splitlines() if b'"outcome"' not in line]
    journal.write_bytes(b"".join(line + b"\n" for line in lines))
    supervisor.redis.delete("dumb:command:c-1")
    supervisor.send("update-accounts", "", args=orjson.dumps(args).decode(), id="c-1")
    supervisor.start()
    assert supervisor.result("c-1")["status"] == "succeeded"
    names = [u["username"] for u in orjson.loads(stack.users_file.read_bytes())["users"]]
    assert names == ["alice", "bobby"]
    wait_until_sync(lambda: supervisor.redis.xlen("dumb:commands") == 0, what="args are deleted")
    assert (await stack.one.get("/auth/me", alice.access)).status_code == 200


async def test_without_a_supervisor_logins_go_on_and_changes_do_not(stack: Stack) -> None:
    alice = await stack.setup()
    stack.supervisor.stop()
    assert (await stack.one.get("/process/processes", alice.access)).status_code == 200
    pair = await stack.two.login()
    again = await stack.one.post("/auth/refresh", {"refresh_token": pair.refresh})
    assert again.status_code == 200
    answers = await asyncio.gather(
        stack.one.post("/auth/disable", token=alice.access),
        stack.one.post("/auth/users", {**ALICE, "username": "bobby"}, alice.access),
    )
    assert [answer.status_code for answer in answers] == [503, 503]
