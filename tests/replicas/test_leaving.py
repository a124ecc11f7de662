"""Replicas that end, die and come back behind the proxy: nobody misses anything."""

import signal
import time
from collections.abc import Sized
from functools import partial

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.deploy.flow import WEB, ok, set_up
from tests.replicas.cluster import WRITER, Cluster
from tests.support.load import Follower, Load, read_processes, restart
from tests.support.wait import wait_until_sync

LONGEST_END_S = 8.0


def begin(cluster: Cluster) -> str:
    """The first account and the service that counts; an access token."""
    http = cluster.clients()[0]
    token: str = set_up(http)["access_token"]
    ok(http.post("/process/start-service", json={"process_name": WRITER}))
    return token


def counted(follower: Follower) -> list[int]:
    """The numbers that it saw."""
    return [int(text.removeprefix("n ")) for text in follower.texts if text.startswith("n ")]


def grown(things: Sized, size: int) -> bool:
    """Whether there are more of them than that."""
    return len(things) > size


def complete(follower: Follower) -> bool:
    """Whether every number was seen once, in order."""
    numbers = counted(follower)
    return numbers == list(range(1, len(numbers) + 1)) and follower.dropped == 0


def test_a_rolling_restart_loses_no_request_and_no_line(proxied: Cluster) -> None:
    token = begin(proxied)
    asks = [read_processes, read_processes, restart(WEB, key=False), restart("Other", key=True)]
    with (
        Follower(proxied.sockets, token, WRITER) as follower,
        Load(proxied.base, token, asks) as load,
    ):
        wait_until_sync(lambda: counted(follower) and load.seconds, what="both to have begun")
        for api in list(proxied.apis):
            before = len(load.seconds)
            began = time.monotonic()
            api.tell(signal.SIGTERM)
            assert api.ended(20) == 0
            assert time.monotonic() - began < LONGEST_END_S
            proxied.replace(api)
            wait_until_sync(partial(grown, load.seconds, before + 10), what="further answers")
        last = counted(follower)[-1]
        wait_until_sync(lambda: counted(follower)[-1] > last, what="lines after the last restart")
    assert load.failures == []
    assert complete(follower)
    assert follower.codes
    assert set(follower.codes) <= {1012}


def test_replicas_that_are_killed_lose_no_line_and_no_repeatable_request(proxied: Cluster) -> None:
    token = begin(proxied)
    asks = [read_processes, read_processes, restart(WEB, key=True)]
    with (
        Follower(proxied.sockets, token, WRITER) as follower,
        Load(proxied.base, token, asks) as load,
    ):
        for api in list(proxied.apis):
            seen = len(follower.texts)
            wait_until_sync(partial(grown, follower.texts, seen + 20), what="further lines")
            api.process.kill()
            api.ended()
            proxied.replace(api)
        last = counted(follower)[-1]
        wait_until_sync(lambda: counted(follower)[-1] > last, what="lines after the last kill")
    assert load.failures == []
    assert complete(follower)
    assert follower.codes, "no socket was on a replica that died"


def test_the_steps_of_leaving(cluster: Cluster) -> None:
    """Red first, still serving; then the socket closes with 1012, then the process is gone."""
    api = cluster.apis[0]
    token = begin(cluster)
    http = cluster.clients(token)[0]
    with connect(f"ws://127.0.0.1:{api.port}/ws/status?token={token}") as socket:
        assert orjson.loads(socket.recv(timeout=10))["type"] == "status"
        api.tell(signal.SIGTERM)
        wait_until_sync(lambda: api.status("/readyz") == 503, what="a red /readyz")
        answer = http.get("/process/processes")
        assert answer.status_code == 200
        assert answer.headers["Connection"] == "close"
        assert api.status("/livez") == 200
        code = 0
        try:
            while True:
                socket.recv(timeout=10)
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
        assert code == 1012
    assert api.ended(LONGEST_END_S) == 0
    impatient = cluster.apis[1]  # told twice it does not wait
    impatient.tell()
    wait_until_sync(lambda: impatient.status("/readyz") == 503, what="a red /readyz")
    impatient.tell()
    assert impatient.ended(LONGEST_END_S) == 0
