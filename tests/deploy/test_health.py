"""What a container's health check asks."""

import os
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from services.launcher.health import is_well, main
from shared.settings import load_settings
from tests.deploy.flow import Running
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until_sync


def test_a_sign_of_life_of_a_process_that_is_there(fresh_redis: PrivateRedis, place: Path) -> None:
    running = Running(place / "home", {"REDIS_URL": fresh_redis.url})
    environ = {"REDIS_URL": fresh_redis.url, "DUMB_HOME": str(place / "home")}
    try:
        names = {name: running.start(name) for name in ("supervisor", "metrics", "jobs")}
        api = running.start_api()
        port = {"DUMB_API_SERVICE_HOST": "127.0.0.1", "DUMB_API_SERVICE_PORT": str(api.port)}
        settings = load_settings(environ | port)
        for name in ("api", *names):
            wait_until_sync(partial(is_well, name, settings), what=f"{name} to be well")
        names["metrics"].process.kill()
        names["metrics"].ended()
        assert not is_well("metrics", settings)
        fresh_redis.stop()
        assert is_well("supervisor", settings)  # it lives without Redis, and is no worse for it
        api.close()
        assert not is_well("api", settings)
    finally:
        running.close()


def test_a_sign_that_names_another_process(
    redis_url: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.hset("dumb:supervisor", "pid", str(os.getpid()))
    environ = {"REDIS_URL": redis_url, "DUMB_HOME": str(place)}
    assert not is_well("supervisor", load_settings(environ))
    with pytest.raises(ValueError, match="none of"):
        is_well("nobody", load_settings(environ))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis_url)
        assert main(["supervisor"]) == 1
        patch.setenv("DUMB_API_SERVICE_PORT", "x")
        assert main(["api"]) == 78
    assert "supervisor is not well" in capsys.readouterr().err
