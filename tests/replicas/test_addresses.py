"""Whose address limits and the audit see, through the shipped proxy and one in front of it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.flow import PASSWORD, set_up
from tests.replicas.cluster import Cluster, haproxy

ATTACKER, NEIGHBOR, OWNER = "203.0.113.66", "203.0.113.67", "203.0.113.9"


@pytest.fixture(params=["127.0.0.1/32", "192.0.2.1/32"], ids=["trusted", "not trusted"])
def upstreams(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cluster(place: Path, redis_url: str, upstreams: str) -> Iterator[Cluster]:
    binary = haproxy()
    if binary is None:
        pytest.skip("HAProxy is not installed")
    found = Cluster(place / "home", redis_url, binary, count=2, upstreams=upstreams)
    yield found
    found.close()


def log_in(cluster: Cluster, address: str, password: str, **headers: str) -> httpx.Response:
    """As a proxy in front of ours passes it on: what the client sent itself comes first."""
    return httpx.post(
        f"{cluster.base}/auth/login",
        json={"username": "alice", "password": password},
        headers={"X-Forwarded-For": f"192.0.2.250, {address}", **headers},
        timeout=20,
    )


def test_limits_and_audit_see_the_client(cluster: Cluster, upstreams: str) -> None:
    trusted = upstreams.startswith("127.")
    token = set_up(cluster.clients()[0])["access_token"]
    wrong = [log_in(cluster, ATTACKER, f"wrong {n}").status_code for n in range(14)]
    # Directly set up: 127.0.0.1 is known. It is the address of all where the proxy is not trusted.
    checked = wrong.count(401)
    assert checked == (10 if trusted else 13)
    neighbor = log_in(cluster, NEIGHBOR, PASSWORD)
    assert neighbor.status_code == (200 if trusted else 429)
    if not trusted:
        ticket = {"X-Login-Ticket": neighbor.json()["ticket"]}
        neighbor = log_in(cluster, NEIGHBOR, PASSWORD, **ticket)
        assert neighbor.status_code == 200
    entries = cluster.clients(token)[0].get("/audit", params={"limit": 50}).json()["entries"]
    logins = [entry for entry in entries if entry["action"] == "login"]
    found = {(entry["source"], entry["outcome"]) for entry in logins}
    if trusted:
        assert found == {(f"api@{ATTACKER}", "refused"), (f"api@{NEIGHBOR}", "succeeded")}
    else:
        assert found == {("api@127.0.0.1", "refused"), ("api@127.0.0.1", "succeeded")}
    # A device is known wherever it is.
    device = {"X-Device-Token": neighbor.headers["x-device-token"]}
    assert log_in(cluster, ATTACKER, PASSWORD, **device).status_code == 200
