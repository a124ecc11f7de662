"""A whole stack with accounts, for clients that know nothing of us but the OpenAPI document."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.deploy.flow import PASSWORD, Running, ok, set_up
from tests.support.redis_server import PrivateRedis, find_redis_server
from tests.support.wait import wait_until_sync


@dataclass
class Stack:
    """The programs, and the address of their API. `document` holds `openapi.json`."""

    running: Running
    base: str
    admin: str
    document: Path

    def token(self, role: str) -> str:
        """A new API token of the administrator's, with this role."""
        with httpx.Client(base_url=self.base, timeout=30) as http:
            http.headers["Authorization"] = f"Bearer {self.admin}"
            made = http.post("/auth/tokens", json={"name": f"of-{role}", "role": role})
            return str(ok(made)["token"])


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Supervisor, collector, jobs and one replica; the administrator is `alice`."""
    place = Path(tempfile.mkdtemp(prefix="dumb-clients-"))
    redis = PrivateRedis(find_redis_server(), place / "redis")
    redis.start()
    running = Running(place / "home", {"REDIS_URL": redis.url})
    try:
        for name in ("supervisor", "metrics", "jobs"):
            running.start(name)
        api = running.start_api()
        http = running.client(api)
        pair = set_up(http)
        wait_until_sync(lambda: http.get("/metrics").status_code == 200, what="a first sample")
        document = place / "openapi.json"
        document.write_bytes(http.get("/openapi.json").content)
        base = f"http://127.0.0.1:{api.port}"
        yield Stack(running, base, str(pair["access_token"]), document)
    finally:
        running.close()
        redis.stop()
        shutil.rmtree(place, ignore_errors=True)


__all__ = ["PASSWORD", "Stack"]
