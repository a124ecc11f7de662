"""Who may ask, at programs as they run: bound to every address, and behind the shipped proxy."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.deploy.flow import PASSWORD, WEB, ok
from tests.replicas.cluster import Cluster, haproxy

ALICE = {"username": "alice", "password": PASSWORD}
PUBLISHED = "192.168.1.10:8000"
FRONTEND = {"Origin": "http://192.168.1.10:3005"}
SAME = {"Host": PUBLISHED, "Origin": f"http://{PUBLISHED}"}
STRANGERS = [
    {"Origin": "http://evil.example:3005"},
    {"Host": PUBLISHED, "Origin": "http://192.168.1.10:9999"},
    {"Host": "dumb.example.org"},
    {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
    {"Host": "203.0.113.5:8000"},
    {"Host": "evil.example", "X-Forwarded-Host": PUBLISHED},
]
SOCKETS = ("/ws/status", "/ws/metrics", "/ws/logs")


@pytest.fixture(params=["the proxy", "every address"])
def base(request: pytest.FixtureRequest, place: Path, redis_url: str) -> Iterator[str]:
    """Where the API is asked; it has no accounts, and no origin is configured."""
    binary = haproxy() if request.param == "the proxy" else None
    if binary is None and request.param == "the proxy":
        pytest.skip("HAProxy is not installed")
    anywhere = {"DUMB_API_SERVICE_HOST": "0.0.0.0"}  # noqa: S104
    cluster = Cluster(place / "home", redis_url, binary, count=1, **anywhere)
    yield cluster.base if binary else f"http://127.0.0.1:{cluster.apis[0].port}"
    cluster.close()


def _socket(base: str, path: str, headers: dict[str, str]) -> int:
    """The code with which it is closed at once; 0 for one that stays open."""
    return asyncio.run(_opened(base, path, headers))


async def _opened(base: str, path: str, headers: dict[str, str]) -> int:
    address = base.removeprefix("http://")
    host, port = address.split(":")
    more = {k: v for k, v in headers.items() if k not in {"Host", "Origin"}}
    async with connect(
        f"ws://{headers.get('Host', address)}{path}",
        host=host,
        port=int(port),
        origin=headers.get("Origin"),  # type: ignore[arg-type]
        additional_headers=more,
        proxy=None,
    ) as socket:
        try:
            async with asyncio.timeout(10):
                await (await socket.ping())
        except ConnectionClosed:
            return socket.close_code or -1
        return 0


def test_from_setup_to_sockets(base: str) -> None:
    with httpx.Client(base_url=base, timeout=30) as http:
        for stranger in STRANGERS:
            for method, path in (
                ("POST", "/auth/setup"),
                ("POST", "/auth/users"),
                ("POST", "/process/restart-service"),
                ("GET", "/process/processes"),
                ("GET", "/auth/status"),
            ):
                answer = http.request(method, path, headers=stranger, json=ALICE)
                assert answer.status_code == 403, (stranger, path, answer.text)
            assert [_socket(base, path, stranger) for path in SOCKETS] == [1008] * 3, stranger
        for friend in ({}, FRONTEND, SAME):
            ok(http.get("/process/processes", headers=friend))
            assert [_socket(base, path, friend) for path in SOCKETS] == [0] * 3, friend
        # dmbdb, opened at an address of the network, nothing configured.
        ok(http.post("/auth/setup", headers=FRONTEND, json=ALICE))
        token = ok(http.post("/auth/login", headers=FRONTEND, json=ALICE))["access_token"]
        verified = http.post("/auth/verify", headers=FRONTEND, params={"token": token})
        assert ok(verified)["valid"] is True
        asked = {**FRONTEND, "Authorization": f"Bearer {token}"}
        ok(http.post("/process/restart-service", headers=asked, json={"process_name": WEB}))
        query = f"?token={token}"
        assert [_socket(base, path + query, FRONTEND) for path in SOCKETS] == [0] * 3
        # With accounts hosts and origins are not asked, and a token is.
        for stranger in STRANGERS:
            ok(http.get("/auth/status", headers=stranger))
            assert http.get("/process/processes", headers=stranger).status_code == 401
            answer = http.post("/process/restart-service", headers=stranger, json={})
            assert answer.status_code == 401
            ok(http.get("/process/processes", headers=asked | stranger))
            assert [_socket(base, path, stranger) for path in SOCKETS] == [1008] * 3
            assert _socket(base, f"/ws/status{query}", stranger) == 0
