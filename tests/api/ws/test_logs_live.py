"""`/ws/logs`: the contract's text frames, and the extensions of docs/protocol.md."""

import asyncio
from datetime import datetime
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection

from shared.models.log import LogChunk, output_log
from tests.api.ws.conftest import Replica, StartReplica
from tests.support.bus import EPOCH, FakeSupervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until

pytestmark = pytest.mark.redis


async def lines(client: ClientConnection, count: int) -> list[str]:
    """The next `count` text frames."""
    async with asyncio.timeout(20):
        return [str(await client.recv()) for _ in range(count)]


def local(text: str) -> str:
    """The time with the offset from UTC that it has on this machine."""
    return datetime.fromisoformat(text).astimezone().isoformat()


async def frame(client: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        tree: dict[str, Any] = orjson.loads(await client.recv())
        return tree


async def texts_until(client: ClientConnection, last: str) -> list[str]:
    found: list[str] = []
    while not found or found[-1] != last:
        found += [line["text"] for line in (await frame(client))["lines"]]
    return found


async def nothing_more(client: ClientConnection) -> None:
    """What is queued for a client comes before the answer to its ping."""
    await client.send("ping")
    assert await lines(client, 1) == ["pong"]


async def test_each_display_line_is_a_frame(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs")
    chunk = await supervisor.log("Svc A", ["first", "second – ünï"])
    assert await lines(client, 2) == chunk.data.decode().splitlines()
    broken = b"Nov 23, 2026 22:20:38 - INFO - a\xffb\r\x00\n"
    await supervisor.append(LogChunk("X", "X", "g", 0, len(broken), broken))
    assert await lines(client, 1) == [broken[:-1].decode("utf-8", "replace")]


async def test_history_is_not_replayed(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    await supervisor.log("Svc", ["old"])
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs")
    await supervisor.log("Svc", ["new"])
    assert (await lines(client, 1))[0].endswith("new")
    await nothing_more(client)


@pytest.mark.parametrize("ping", ["ping", '{"type":"ping"}', '{"type": "ping", "x": 1}'])
async def test_ping_is_answered_on_that_socket_alone(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, ping: str
) -> None:
    replica = await start_replica(redis_url)
    one, two = await replica.client("/ws/logs"), await replica.client("/ws/logs")
    for other in ("", "{", "[1]", "null", '{"type":"pong"}', '"x"', '{"type":"resume"}'):
        await two.send(other)
    await two.send(b"ping")
    await one.send(ping)
    assert await lines(one, 1) == ["pong"]
    await supervisor.log("Svc", ["a line"])
    assert (await lines(two, 1))[0].endswith("a line")


async def test_json_frames(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json")
    data = (
        b"Nov  3, 2026 22:20:38 - WARNING - Svc subprocess: hot\n"
        b"Nov 23, 2026 22:20:39 - INFO - another subprocess: x - y\n"
        b"no format at all\n"
    )
    await supervisor.append(LogChunk("Svc", "Svc", "gen", 0, len(data), data))
    assert await frame(client) == {
        "type": "lines",
        "dropped": 0,
        "process_name": "Svc",
        "file_id": "gen",
        "cursor": len(data),
        "lines": [
            {"ts": local("2026-11-03T22:20:38"), "level": "WARNING", "text": "hot"},
            {
                "ts": local("2026-11-23T22:20:39"),
                "level": "INFO",
                "text": "another subprocess: x - y",
            },
            {"ts": None, "level": "INFO", "text": "no format at all"},
        ],
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["loud INFO", "loud ERROR"]),
        ("process_name=Loud", ["loud INFO", "loud ERROR"]),
        ("process_name=Loud&process_name=Quiet&level=error", ["loud ERROR", "quiet ERROR"]),
        ("process_name=Quiet", ["quiet ERROR"]),
        ("process_name=loud&process_name=Nobody", []),
        ("level=warning", ["loud ERROR"]),
        ("level=loudest", ["loud INFO", "loud ERROR"]),
        ("process_name=Tailed", ["output"]),
    ],
)
async def test_selection(
    redis_url: str,
    supervisor: FakeSupervisor,
    start_replica: StartReplica,
    query: str,
    expected: list[str],
) -> None:
    replica = await start_replica(redis_url)
    json = await replica.client(f"/ws/logs?{query}&format=json")
    text = await replica.client(f"/ws/logs?{query}")
    await supervisor.log("Loud", ["loud INFO"])
    await supervisor.log("Loud", ["loud ERROR"], level="ERROR")
    await supervisor.log("Quiet", ["quiet ERROR"], level="ERROR", quiet=True)
    await supervisor.log("Tailed", ["from its file"], live=False)
    if "Tailed" in query:  # a service whose own file is tailed shows its output live
        await supervisor.log(output_log("Tailed"), ["output"], process_name="Tailed")
    await wait_until(lambda: replica.bridge.counters.log_chunks >= 4)
    found = [line.rsplit(": ", 1)[1] for line in await lines(text, len(expected))]
    assert found == expected
    assert [line["text"] for _ in expected for line in (await frame(json))["lines"]] == expected
    await nothing_more(text)
    await nothing_more(json)


async def test_backlog_merges_logs_by_time(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    for second in range(6):
        name = ("A", "B")[second % 2]
        await supervisor.log(name, [f"{second}a", f"{second}b"], at=EPOCH + second)
    await supervisor.log("Hushed", ["hidden"], at=EPOCH + 9, quiet=True)
    replica = await start_replica(redis_url)
    text = await replica.client("/ws/logs?backlog=5")
    assert [line[-2:] for line in await lines(text, 5)] == ["3b", "4a", "4b", "5a", "5b"]
    only = await replica.client("/ws/logs?backlog=3&process_name=A&format=json")
    found = await frame(only)
    assert [line["text"] for line in found["lines"]] == ["2b", "4a", "4b"]
    assert (found["cursor"], found["file_id"]) == (supervisor.sizes["A"], "g1")
    none = await replica.client("/ws/logs?backlog=9&process_name=Nobody")
    for client in (text, none):
        await nothing_more(client)
    everything = await replica.client("/ws/logs?backlog=99999999999999999999999")
    assert len(await lines(everything, 12)) == 12
    await nothing_more(everything)


async def test_backlog_with_a_level_counts_only_what_it_shows(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    for number in range(5):
        await supervisor.log("A", [f"bad {number}"], level="ERROR")
        await supervisor.log("A", ["fine"] * 50)
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?backlog=3&level=ERROR&format=json")
    assert [line["text"] for line in (await frame(client))["lines"]] == ["bad 2", "bad 3", "bad 4"]


async def publish_numbers(supervisor: FakeSupervisor, stop: asyncio.Event) -> int:
    """Number lines as fast as Redis takes them. Returns how many there are."""
    number = 0
    while not stop.is_set():
        await supervisor.log("Svc", [str(number + n) for n in range(7)])
        number += 7
        await asyncio.sleep(0)
    await supervisor.log("Svc", ["end"])
    return number


async def test_from_backlog_to_live_without_a_gap(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    stop = asyncio.Event()
    publishing = asyncio.create_task(publish_numbers(supervisor, stop))
    clients = []
    for count in (1, 10, 100, 1000, 1, 10, 100, 1000):
        await wait_until(lambda: supervisor.sizes.get("Svc", 0) > 20_000)
        clients.append(await replica.client(f"/ws/logs?backlog={count}&format=json"))
    stop.set()
    total = await publishing
    for client in clients:
        *numbers, _ = await texts_until(client, "end")
        first = int(numbers[0])
        assert numbers == [str(n) for n in range(first, total)]


async def resumed(replica: Replica, cursors: dict[str, Any], query: str = "") -> ClientConnection:
    client = await replica.client(f"/ws/logs?format=json&resume=1{query}")
    await client.send(orjson.dumps({"type": "resume", "cursors": cursors}).decode())
    return client


async def test_resume_over_many_reconnects_sees_each_line_once(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    stop = asyncio.Event()
    client = await replica.client("/ws/logs?format=json")
    publishing = asyncio.create_task(publish_numbers(supervisor, stop))
    got: list[str] = []
    for _ in range(10):
        for _ in range(5):
            seen = await frame(client)
            assert not seen.get("reset")
            got += [line["text"] for line in seen["lines"]]
        await client.close()
        behind = supervisor.sizes["Svc"]
        await wait_until(lambda at=behind: supervisor.sizes["Svc"] > at + 2000)
        client = await resumed(replica, {"Svc": [seen["file_id"], seen["cursor"]]})
    stop.set()
    total = await publishing
    got += await texts_until(client, "end")
    assert got == [*(str(n) for n in range(total)), "end"]


@pytest.mark.parametrize("cursor", [["other", 0], ["g1", 10**9], ["g1", -5]])
async def test_a_cursor_that_cannot_be_honoured_resets(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica, cursor: list[Any]
) -> None:
    await supervisor.log("Svc", ["one"])
    await supervisor.log("Svc", ["two"])
    replica = await start_replica(redis_url)
    client = await resumed(replica, {"Svc": cursor, "Nobody": ["x", 1]})
    first, second = await frame(client), await frame(client)
    assert (first["reset"], first["lines"][0]["text"]) == (True, "one")
    assert ("reset" not in second, second["lines"][0]["text"]) == (True, "two")
    await supervisor.log("Svc", ["three"])
    assert (await frame(client))["lines"][0]["text"] == "three"


async def test_resume_without_a_cursor_for_a_log_goes_on_from_the_connect(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    await supervisor.log("Svc", ["old"])
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json&resume=1")
    await supervisor.log("Svc", ["between connect and resume"])
    await wait_until(lambda: replica.bridge.counters.log_chunks == 1)
    await client.send('{"type":"resume","cursors":{"Svc":"nonsense","B":[1,2,3],"C":[1,"x"]}}')
    assert (await frame(client))["lines"][0]["text"] == "between connect and resume"


async def test_a_client_that_never_resumes_gets_its_backlog_and_goes_live(
    redis_url: str,
    supervisor: FakeSupervisor,
    start_replica: StartReplica,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.api.ws.logs.RESUME_WAIT_S", 0.05)
    monkeypatch.setattr("services.api.ws.logs.TELL_AFTER_S", 0.01)
    await supervisor.log("Svc", ["old"])
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json&resume=1&backlog=5")
    told = await frame(client)
    assert told == {"type": "waiting", "waits_for": "resume", "timeout_s": 0.05}
    told = await frame(client)
    assert (told["type"], "No resume message" in told["reason"]) == ("live", True)
    assert (await frame(client))["lines"][0]["text"] == "old"
    await supervisor.log("Svc", ["new"])
    assert (await frame(client))["lines"][0]["text"] == "new"


async def test_a_name_that_no_service_has_is_answered_in_json_frames(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    await supervisor.log("Sonarr", ["here"])
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json&process_name=Sonar&process_name=Sonarr")
    assert await frame(client) == {"type": "unknown", "process_name": "Sonar", "near": ["Sonarr"]}
    await supervisor.log("Sonarr", ["a line"])
    assert (await frame(client))["lines"][0]["text"] == "a line"
    text = await replica.client("/ws/logs?process_name=Sonar&process_name=Sonarr")
    await supervisor.log("Sonarr", ["for text clients nothing else"])
    assert (await lines(text, 1))[0].endswith("nothing else")


async def test_a_killed_subscription_loses_and_doubles_no_line(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json")
    stop = asyncio.Event()
    publishing = asyncio.create_task(publish_numbers(supervisor, stop))
    for round_number in range(1, 6):
        await wait_until(lambda at=round_number: supervisor.sizes.get("Svc", 0) > at * 20_000)
        await supervisor.redis.client_kill_filter(_type="pubsub")
        await wait_until(lambda at=round_number: replica.bridge.counters.connects > at)
    stop.set()
    total = await publishing
    assert await texts_until(client, "end") == [*(str(n) for n in range(total)), "end"]


async def test_lines_sent_while_nobody_listened_are_fetched(
    redis_url: str,
    supervisor: FakeSupervisor,
    start_replica: StartReplica,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json")
    await supervisor.log("Svc", ["before"])
    assert await texts_until(client, "before") == ["before"]
    monkeypatch.setattr("shared.bus.subscription.BACKOFF_S", (0.3, 0.3))
    await supervisor.redis.client_kill_filter(_type="pubsub")
    await wait_until(lambda: not replica.bridge.connected)
    await supervisor.log("Svc", ["during"])
    await supervisor.log("Newborn", ["its first line"])
    assert sorted([*await texts_of(client, 2)]) == ["during", "its first line"]
    # Chunks that were stored without an announcement (a supervisor that came back).
    await supervisor.log("Svc", ["unannounced"], publish=False)
    await supervisor.log("Svc", ["announced"])
    assert await texts_of(client, 2) == ["unannounced", "announced"]
    # The same chunk again.
    chunk = await supervisor.log("Svc", ["once"])
    await supervisor.redis.publish(supervisor.keys.log_channel("Svc"), chunk.encode())
    await supervisor.log("Svc", ["last"])
    assert await texts_until(client, "last") == ["once", "last"]


async def texts_of(client: ClientConnection, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found += [line["text"] for line in (await frame(client))["lines"]]
    return found


async def test_a_new_generation_is_a_reset_and_goes_on(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json")
    await supervisor.log("Svc", ["old"])
    assert not (await frame(client)).get("reset")
    await supervisor.redis.delete(supervisor.keys.log("Svc"), supervisor.keys.logmeta("Svc"))
    supervisor.sizes.clear()
    await supervisor.log("Svc", ["new"], generation="g2")
    found = await frame(client)
    assert (found["reset"], found["file_id"], found["lines"][0]["text"]) == (True, "g2", "new")


async def test_lines_that_were_trimmed_away_unseen_are_a_reset(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    client = await replica.client("/ws/logs?format=json")
    await supervisor.log("Svc", ["seen"])
    await frame(client)
    await supervisor.log("Svc", ["lost"], publish=False)
    await supervisor.redis.xtrim(supervisor.keys.log("Svc"), maxlen=0, approximate=False)
    await supervisor.log("Svc", ["found"])
    found = await frame(client)
    assert (found["reset"], [line["text"] for line in found["lines"]]) == (True, ["found"])


async def test_sockets_outlive_redis(
    fresh_redis: PrivateRedis, keys: Any, start_replica: StartReplica
) -> None:
    from tests.api.ws.conftest import bus_client  # noqa: PLC0415

    replica = await start_replica(fresh_redis.url)
    client = await replica.client("/ws/logs?format=json")
    async with bus_client(fresh_redis.url) as redis:
        supervisor = FakeSupervisor(redis, keys)
        await supervisor.log("Svc", ["before"])
        await texts_until(client, "before")
        await asyncio.to_thread(fresh_redis.stop)
        await wait_until(lambda: not replica.bridge.connected)
        await nothing_more(client)
        # Whether somebody new may come in is not known now.
        refused = await replica.client("/ws/logs")
        await refused.wait_closed()
        assert refused.close_code == 1013
        await asyncio.to_thread(fresh_redis.start)
        late = await replica.client("/ws/logs?format=json&backlog=10")
        await supervisor.log("Svc", ["after"])
        assert await texts_until(client, "after") == ["after"]
        assert await texts_until(late, "after") == ["before", "after"]


async def test_the_last_client_ends_the_subscription(
    redis_url: str, supervisor: FakeSupervisor, start_replica: StartReplica
) -> None:
    replica = await start_replica(redis_url)
    for _ in range(3):
        client = await replica.client("/ws/logs")
        await supervisor.log("Svc", ["line"])
        assert (await lines(client, 1))[0].endswith("line")
        await client.close()

        async def quiet() -> bool:
            return await supervisor.redis.pubsub_numpat() == 0

        await wait_until(quiet, what="no pattern is subscribed")
        assert not replica.rooms.logs.hub.feeds
        await supervisor.log("Svc", ["for nobody"])
