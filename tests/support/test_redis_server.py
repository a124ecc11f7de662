"""The support code is itself relied on by every test: it must survive a kill and keep data."""

import pytest
import redis

from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until, wait_until_sync


@pytest.mark.redis
def test_data_port_and_both_addresses_survive_a_kill(fresh_redis: PrivateRedis) -> None:
    port, first_pid = fresh_redis.port, fresh_redis.pid
    with redis.Redis.from_url(fresh_redis.url) as client:
        client.set("kept", "yes")
        # everysec: the write is on its way to the file at once, a kill does not lose it.
        client.execute_command("WAIT", 0, 1)
    fresh_redis.kill()
    fresh_redis.start()
    assert fresh_redis.port == port
    assert fresh_redis.pid != first_pid
    with redis.Redis.from_url(fresh_redis.unix_url) as client:
        assert client.get("kept") == b"yes"


def test_redis_url_is_empty_at_first(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


async def test_waiting_ends_with_a_sentence() -> None:
    with pytest.raises(TimeoutError, match="pigs fly"):
        await wait_until(lambda: False, timeout=0.02, what="pigs fly")
    with pytest.raises(TimeoutError, match="pigs fly"):
        wait_until_sync(lambda: False, timeout=0.02, what="pigs fly")


async def test_waiting_takes_async_conditions() -> None:
    looks = iter([False, False, True])

    async def third_time() -> bool:
        return next(looks)

    await wait_until(third_time, timeout=2)
    assert next(looks, None) is None
