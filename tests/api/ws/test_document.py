"""The client in docs/websockets.md does what the document says of it."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.api.ws.conftest import StartReplica
from tests.support.bus import FakeSupervisor
from tests.support.wait import wait_until

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "websockets.md"
Follow = Callable[..., Coroutine[Any, Any, None]]


@pytest.fixture
def follow() -> Follow:
    """`follow` as it stands in the document."""
    found = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    assert len(found[1].splitlines()) <= 32
    names: dict[str, Any] = {"__name__": "document"}
    exec(compile(found[1], str(DOCUMENT), "exec"), names)  # noqa: S102 - the document's own code
    client: Follow = names["follow"]
    return client


async def test_the_client_sees_each_line_once_over_lost_connections(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, follow: Follow
) -> None:
    replica = await start_replica(redis_url)
    await supervisor.log("Svc", ["before"])
    seen: list[str] = []
    work = follow(
        replica.url(""), ["Svc"], show=lambda name, line: seen.append(f"{name}: {line['text']}")
    )
    running = asyncio.create_task(work)
    expected: list[str] = []
    for number in range(3):
        await replica.log_clients(1)
        # A client that does not know yet that it is accepted may miss a line.
        await wait_until(
            lambda: not any(client.catching_up for client in replica.rooms.logs.hub.clients)
        )
        await supervisor.log("Svc", [f"line {number}"])
        expected.append(f"Svc: line {number}")
        await wait_until(lambda: seen[-len(expected) :] == expected, what="the line")
        for client in list(replica.rooms.logs.hub.clients):
            replica.rooms.logs.hub.leave(client)
        for connection in list(replica.server.server_state.connections):
            connection.transport.abort()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert seen == expected


async def test_the_client_ends_on_a_name_that_nothing_has(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, follow: Follow
) -> None:
    await supervisor.log("Sonarr", ["here"])
    replica = await start_replica(redis_url)
    with pytest.raises(SystemExit, match=r"Sonar: \['Sonarr'\]"):
        await follow(replica.url(""), ["Sonar"])
