"""Replicas share nothing but Redis, and agree about everything."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
from websockets.sync.client import connect

from tests.deploy.flow import PASSWORD, WEB, ok, start_and_read, status
from tests.replicas.cluster import Cluster

Agreed = tuple[Cluster, str]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_accounts_and_tokens(agreed: Agreed) -> None:
    one, two, three = agreed[0].clients()
    again = two.post("/auth/setup", json={"username": "eve", "password": PASSWORD})
    assert again.status_code == 400
    for http in (two, three):
        assert http.get("/process/processes").status_code == 401
        ok(http.get("/process/processes", headers=bearer(agreed[1])))
    login = ok(two.post("/auth/login", json={"username": "alice", "password": PASSWORD}))
    made = ok(
        three.post("/auth/tokens", json={"name": "cron"}, headers=bearer(login["access_token"]))
    )
    ok(two.get("/process/processes", headers=bearer(made["token"])))
    ok(one.delete(f"/auth/tokens/{made['id']}", headers=bearer(agreed[1])))
    assert three.get("/process/processes", headers=bearer(made["token"])).status_code == 401
    refreshed = ok(three.post("/auth/refresh", json={"refresh_token": login["refresh_token"]}))
    ok(one.get("/auth/me", headers=bearer(refreshed["access_token"])))
    ok(one.post("/auth/logout", headers=bearer(refreshed["access_token"])))
    for http in (two, three):
        headers = bearer(refreshed["access_token"])
        assert http.get("/process/processes", headers=headers).status_code == 401


def test_attempts_to_log_in_are_counted_together(agreed: Agreed) -> None:
    clients = agreed[0].clients()
    body = {"username": "mallory", "password": "wrong wrong"}
    codes = []
    for number in range(40):
        http = clients[number % len(clients)]
        codes.append(http.post("/auth/login", json=body, headers={"Authorization": ""}).status_code)
        if codes[-1] == 429:
            break
    assert set(codes[:-1]) == {401}
    assert codes[-1] == 429
    for http in clients:
        http.cookies.clear()  # with its ticket one is checked
    refused = [http.post("/auth/login", json=body) for http in clients]
    assert [answer.status_code for answer in refused] == [429] * len(clients)
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)


def test_one_key_is_one_command_wherever_it_is_sent(agreed: Agreed) -> None:
    clients = agreed[0].clients(agreed[1])
    start_and_read(clients[0])
    before = generation(clients[0])
    headers = {"Idempotency-Key": "once"}
    body = {"process_name": WEB}

    def send(http: httpx.Client) -> httpx.Response:
        return http.post("/process/restart-service", json=body, headers=headers)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, [*clients, *clients]))
    assert [answer.status_code for answer in answers] == [200] * 6
    ids = {answer.headers["X-Command-Id"] for answer in answers}
    assert len(ids) == 1
    for http in clients:
        receipt = ok(http.get(f"/process/commands/{ids.copy().pop()}"))
        assert receipt["status"] == "succeeded"
        assert generation(http) == before + 1
    other = clients[1].post("/process/stop-service", json=body, headers=headers)
    assert other.status_code == 409


def generation(http: httpx.Client) -> int:
    """How often the service was started, counted by what it wrote at each start."""
    return str(ok(http.get("/logs", params={"process_name": WEB}))["chunk"]).count("I am up")


def test_versions_of_the_configuration(agreed: Agreed) -> None:
    one, two, three = agreed[0].clients(agreed[1])
    etags = {http.get("/config").headers["ETag"] for http in (one, two, three)}
    assert len(etags) == 1
    first = {"If-Match": etags.pop()}
    change = {"updates": {"tz": "UTC"}}
    ok(two.post("/config", json=change, headers=first))
    for http in (one, two, three):
        assert ok(http.get("/config"))["tz"] == "UTC"
        late = http.post("/config", json={"updates": {"tz": "Europe/Berlin"}}, headers=first)
        assert late.status_code == 412
    versions = [ok(http.get("/config/versions"))["version"] for http in (one, two, three)]
    assert len(set(versions)) == 1


def test_sockets_of_every_replica_see_what_one_did(agreed: Agreed) -> None:
    cluster, token = agreed
    clients = cluster.clients(token)
    urls = [f"ws://127.0.0.1:{api.port}/ws/status?token={token}" for api in cluster.apis]
    ok(clients[2].post("/process/stop-service", json={"process_name": WEB}))
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(url)) for url in urls]
        start_and_read(clients[1])
        for socket in opened:
            assert sees_running(socket)
        assert [status(http) for http in clients] == ["running"] * len(clients)


def sees_running(socket: Any) -> bool:
    for _ in range(20):
        frame = orjson.loads(socket.recv(timeout=10))
        if WEB in frame["running"]:
            return True
    return False


def test_a_replica_keeps_no_file(agreed: Agreed) -> None:
    cluster, _ = agreed
    for api in cluster.apis:
        files = Path(f"/proc/{api.process.pid}/fd").iterdir()
        links = [str(file.readlink()) for file in files]
        home = str(cluster.running.home)
        assert [link for link in links if link.startswith(home)] == [str(api.output)] * 2
