"""A Redis that is there and refuses: the API says so, and not that other programs are away."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import pytest
import redis as blocking_redis
from redis.asyncio import Redis

from services.cli.doctor.bus import check_redis
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.bus.refusals import require_changes
from shared.settings import load_settings
from tests.api.rest.conftest import CONFIG, StartApi, _supervisor
from tests.support.redis_server import PrivateRedis, free_port
from tests.support.wait import wait_until

Spoil = Callable[[Redis, PrivateRedis], Awaitable[None]]


async def _disk(redis: Redis, server: PrivateRedis) -> None:
    """A directory is in the place of the dump."""
    (server.directory / "dump.rdb" / "x").mkdir(parents=True)
    await redis.config_set("save", "3600 1000000")
    await redis.bgsave()

    async def failed() -> bool:
        found: Any = await redis.info("persistence")
        return bool(found["rdb_last_bgsave_status"] == "err")

    await wait_until(failed)


async def _disk_again(redis: Redis, _server: PrivateRedis) -> None:
    await redis.config_set("save", "")


async def _memory(redis: Redis, _server: PrivateRedis) -> None:
    await redis.config_set("maxmemory", 1)


async def _memory_again(redis: Redis, _server: PrivateRedis) -> None:
    await redis.config_set("maxmemory", 0)


async def _replica(redis: Redis, _server: PrivateRedis) -> None:
    await redis.replicaof("127.0.0.1", str(free_port()))


async def _primary(redis: Redis, _server: PrivateRedis) -> None:
    await redis.replicaof("NO", "ONE")


async def _stale_replica(redis: Redis, server: PrivateRedis) -> None:
    await redis.config_set("replica-serve-stale-data", "no")
    await _replica(redis, server)


async def _no_replicas(redis: Redis, _server: PrivateRedis) -> None:
    await redis.config_set("min-replicas-to-write", 1)


async def _enough(redis: Redis, _server: PrivateRedis) -> None:
    await redis.config_set("min-replicas-to-write", 0)


async def _forbidden(redis: Redis, _server: PrivateRedis) -> None:
    await cast("Any", redis).execute_command("ACL", "SETUSER", "default", "-xadd", "-hset")


async def _allowed(redis: Redis, _server: PrivateRedis) -> None:
    await cast("Any", redis).execute_command("ACL", "SETUSER", "default", "+xadd", "+hset")


WRITES: Final[dict[str, tuple[Spoil, Spoil]]] = {
    "MISCONF": (_disk, _disk_again),
    "OOM": (_memory, _memory_again),
    "READONLY": (_replica, _primary),
    "NOREPLICAS": (_no_replicas, _enough),
    "NOPERM": (_forbidden, _allowed),
}
"""Reading goes on."""


@pytest.mark.parametrize("code", WRITES)
async def test_what_redis_says_is_said(
    fresh_redis: PrivateRedis, keys: Keys, start_api: StartApi, code: str, tmp_path: Path
) -> None:
    spoil, repair = WRITES[code]
    async with _supervisor(fresh_redis.url, keys) as supervisor:
        await supervisor.appear()
        await supervisor.publish_config(CONFIG)
        api = await start_api(fresh_redis.url)
        # Its heartbeat is what expires first while Redis takes no changes.
        await supervisor.vanish()
        await spoil(supervisor.redis, fresh_redis)
        health = (await api.http.get("/health")).json()
        assert health["status"] == "unhealthy"
        assert health["details"].startswith("Redis ")
        assert health["details"].endswith(f"({code})")
        ready = await api.http.get("/readyz")
        assert (ready.status_code, ready.json()["missing"]) == (503, ["redis"])
        assert ready.json()["reason"] == f"{health['details']}."
        for answer in (
            await api.post("start", "Web Server"),
            await api.http.get("/metrics"),
            await api.http.get("/process/runtime-log-level"),
            await api.http.get("/seerr-sync/plan"),
        ):
            detail = answer.json()["detail"]
            assert answer.status_code == 503, detail
            assert f"({code})" in detail
            assert "supervisor" not in detail
        read = await api.http.get("/process/service-status?process_name=Plex")
        assert read.status_code == 200, read.text
        checks = {c["name"]: c for c in (await api.http.get("/environment")).json()["checks"]}
        assert (checks["redis"]["ok"], checks["redis"]["detail"]) == (
            False, f"{health['details']}.",
        )  # fmt: skip
        assert checks["redis"]["advice"]
        assert checks["supervisor"]["detail"] == "Not known: its heartbeat needs Redis"
        numbers = (await api.http.get("/metrics/prometheus")).text
        assert "\ndumb_redis_up 0.0\n" in numbers
        assert "\ndumb_supervisor_up" not in numbers
        home = {"DUMB_HOME": str(tmp_path), "REDIS_URL": fresh_redis.url}
        found = await asyncio.to_thread(lambda: list(check_redis(load_settings(home))))
        assert [f.name for f in found] == ["redis"]
        assert f"({code})" in found[0].detail

        await repair(supervisor.redis, fresh_redis)
        answer = await api.post("start", "Web Server")
        assert answer.json()["detail"].startswith("The supervisor is not running")
        await supervisor.appear()
        assert (await api.http.get("/readyz")).status_code == 200
        assert await supervisor.redis.xlen(keys.commands) == 0


async def test_a_redis_that_answers_nothing_says_why(
    fresh_redis: PrivateRedis, keys: Keys, start_api: StartApi
) -> None:
    async with _supervisor(fresh_redis.url, keys) as supervisor:
        await supervisor.appear()
        await supervisor.publish_config(CONFIG)
        api = await start_api(fresh_redis.url)
        await _stale_replica(supervisor.redis, fresh_redis)
        assert "(MASTERDOWN)" in (await api.http.get("/health")).json()["details"]
        for path in ("/process/processes", "/config", "/process/service-status?process_name=Plex"):
            answer = await api.http.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "(MASTERDOWN)" in answer.json()["detail"]


async def test_a_password_that_is_missing_or_wrong(
    fresh_redis: PrivateRedis, start_api: StartApi
) -> None:
    place = f"127.0.0.1:{fresh_redis.port}/0"
    for url, code in ((f"redis://{place}", "NOAUTH"), (f"redis://:x@{place}", "WRONGPASS")):
        api = await start_api(url, wait=False)
        assert f"({code})" in (await api.http.get("/health")).json()["details"]
        answer = await api.http.get("/process/processes")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert f"({code})" in answer.json()["detail"]


async def test_asking_changes_nothing(redis_url: str, keys: Keys) -> None:
    client = commands_client(redis_url, "test", 1)
    try:
        await require_changes(client, keys)
        assert await client.exists(keys.command("probe")) == 0
        await client.set(keys.command("probe"), "of another type")
        await require_changes(client, keys)
        assert await client.get(keys.command("probe")) == b"of another type"
    finally:
        await client.aclose(close_connection_pool=True)


def test_the_user_of_the_api_may_ask(fresh_redis: PrivateRedis, keys: Keys) -> None:
    """deploy/redis/users.acl.in has to allow the change that has no effect."""
    with blocking_redis.Redis.from_url(fresh_redis.url) as client:
        admin = cast("Any", client)
        admin.execute_command(
            "ACL", "SETUSER", "api", "on", ">x", "resetkeys", "~dumb:command:*", "-@all",
            "+@stream", "-@dangerous",
        )  # fmt: skip
        said = admin.execute_command(
            "ACL", "DRYRUN", "api", "XADD", keys.command("probe"), "NOMKSTREAM", "*", "a", "b"
        )
    assert said in {b"OK", "OK"}
