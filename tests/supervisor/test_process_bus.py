"""A running supervisor on a Redis that others write nonsense into."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.supervisor.live import SLEEP, Boss, service, supervisor
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until_sync

pytestmark = pytest.mark.redis

HIGHEST = "18446744073709551615"


@pytest.fixture(scope="module")
def boss(private_redis: PrivateRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boss]:
    with supervisor(tmp_path_factory.mktemp("boss"), private_redis, service("web", SLEEP)) as boss:
        yield boss


def works(boss: Boss) -> None:
    """Commands are carried out, over both streams."""
    for stream in ("commands", "triggers"):
        assert boss.run("restart", "web", stream=stream)["status"] == "succeeded"
        boss.wait_acknowledged(stream)


def test_arguments_are_copied_nowhere(boss: Boss) -> None:
    entry: dict[Any, Any] = {"action": "dance", "process_name": "web", "args": '{"k":"s3cret"}'}
    entry_id: Any = boss.redis.xadd("dumb:commands", entry)
    assert boss.result(entry_id.decode())["status"] == "rejected"
    good = boss.send("stop", "web", args='{"k":"s3cret"}')
    assert boss.result(good)["status"] == "succeeded"
    boss.wait_acknowledged()
    wait_until_sync(lambda: not boss.redis.xrange("dumb:commands", good, good), what="XDEL")
    read: dict[bytes, Any] = {
        b"hash": boss.redis.hgetall,
        b"string": boss.redis.get,
        b"set": boss.redis.smembers,
        b"stream": boss.redis.xrange,
    }
    for key in boss.redis.scan_iter("dumb:*"):
        kind: Any = boss.redis.type(key)
        assert "s3cret" not in repr(read[kind](key)), key


def test_garbage_is_rejected_and_counted(boss: Boss) -> None:
    pipe = boss.redis.pipeline()
    for number in range(10_000):
        pipe.xadd("dumb:commands", {"garbage": str(number)})
    pipe.execute()
    poison: list[dict[Any, Any]] = [
        {"action": "start", "process_name": "a" * (1 << 20)},
        {"action": "start", "process_name": b"\xff\xfe\x00"},
        {b"\xff": b"\xff"},
        {"action": "start", "process_name": "web", "id": "bad id"},
        {"action": "start", "process_name": "web", "args": "{"},
        {"": ""},
    ]
    ids: list[Any] = [boss.redis.xadd("dumb:commands", entry) for entry in poison]
    works(boss)
    reasons = {reject["entry"]: reject["reason"] for reject in boss.rejects()}
    assert 900 <= len(reasons) <= 2000
    for entry_id, words in zip(
        ids, ("too large", "not UTF-8", "not UTF-8", "id: use", "args is not", ""), strict=True
    ):
        assert words in reasons[entry_id.decode()]
        receipt = boss.receipt(entry_id.decode())
        assert (receipt["status"], receipt["detail"]) == ("rejected", reasons[entry_id.decode()])
    bad_id = boss.receipt(ids[3].decode())
    assert (bad_id["action"], bad_id["process_name"]) == ("start", "web")
    copies = [reject for reject in boss.rejects() if reject["entry"] == ids[0].decode()]
    assert len(copies[0]["field:process_name"]) == 256
    wait_until_sync(
        lambda: int(boss.redis.hget("dumb:supervisor", "rejected") or 0) >= 10_006,
        what="the count of rejects in the heartbeat",
    )
    # Nonsense does not stay on the stream.
    assert boss.redis.xlen("dumb:commands") < 10


def test_nonsense_under_the_id_of_a_good_command(boss: Boss) -> None:
    assert boss.run("start", "web", id="good-one")["status"] == "succeeded"
    boss.send("dance", "web", id="good-one", stream="triggers")
    boss.wait_acknowledged("triggers")
    works(boss)
    assert boss.receipt("good-one")["status"] == "succeeded"


def test_another_type_where_only_we_write(boss: Boss) -> None:
    """The heartbeat takes its key back; the streams are taken back at the next connection."""
    keys = ("dumb:supervisor", "dumb:audit", "dumb:commands:rejected")
    for key in keys:
        boss.redis.delete(key)
        boss.redis.rpush(key, "mine")
    wait_until_sync(lambda: boss.redis.type(keys[0]) == b"hash", what="the heartbeat")
    works(boss)
    for client in boss.redis.client_list():
        if str(client["name"]).startswith("dumb-supervisor"):
            boss.redis.client_kill_filter(_id=client["id"])
    works(boss)
    wait_until_sync(lambda: boss.redis.type(keys[1]) == b"stream", what="the audit stream")
    boss.send("dance", "web")
    wait_until_sync(lambda: boss.redis.type(keys[2]) == b"stream", what="the rejects")


def test_what_is_written_at_changes_only_is_mended_without_any(boss: Boss) -> None:
    boss.run("start", "web")
    kinds = {
        "services": b"set",
        "service:web": b"hash",
        "startup": b"string",
        "config": b"string",
        "config:version": b"string",
        "config:versions": b"hash",
        "log-level": b"string",
        "environment": b"string",
    }
    for name in kinds:
        with boss.redis.pipeline(transaction=True) as both:  # the supervisor would make it anew
            both.delete(f"dumb:{name}")
            both.zadd(f"dumb:{name}", {"mine": 1})
            both.execute()
    for name, kind in kinds.items():
        wait_until_sync(lambda: boss.redis.type(f"dumb:{name}") == kind, what=name)  # noqa: B023
    boss.wait_status("web", "running")
    version = boss.redis.get("dumb:config:version")
    boss.redis.sadd("dumb:services", "nobody")
    boss.redis.mset({"dumb:config:version": b"\xff", "dumb:config:problem": "none at all"})
    wait_until_sync(lambda: not boss.redis.sismember("dumb:services", "nobody"), what="the set")
    wait_until_sync(lambda: boss.redis.get("dumb:config:version") == version, what="the version")
    assert not boss.redis.exists("dumb:config:problem")


@pytest.mark.parametrize("stream", ["commands", "triggers"])
class TestHealing:
    """Each fault, then a command over both streams."""

    def test_group_deleted(self, boss: Boss, stream: str) -> None:
        boss.redis.xgroup_destroy(f"dumb:{stream}", "supervisor")
        works(boss)

    def test_stream_deleted(self, boss: Boss, stream: str) -> None:
        boss.redis.delete(f"dumb:{stream}")
        works(boss)

    def test_another_type_under_its_name(self, boss: Boss, stream: str) -> None:
        boss.redis.set(f"dumb:{stream}", "mine")
        # Redis 6.2 does not wake a reader for this; a command over the other stream does.
        other = {"commands": "triggers", "triggers": "commands"}[stream]
        assert boss.run("start", "web", stream=other)["status"] == "succeeded"
        wait_until_sync(
            lambda: boss.redis.type(f"dumb:{stream}") == b"stream", what="the stream", timeout=12
        )
        works(boss)
        aside = list(boss.redis.scan_iter(f"dumb:{stream}:aside:*"))
        assert boss.redis.get(aside[0]) == b"mine"
        assert boss.redis.ttl(aside[0]) > 0
        boss.redis.delete(*aside)

    def test_ids_exhausted(self, boss: Boss, stream: str) -> None:
        own_id = f"exhausting-{stream}"
        entry: dict[Any, Any] = {"action": "stop", "process_name": "web", "id": own_id}
        boss.redis.xadd(f"dumb:{stream}", entry, id=f"{HIGHEST}-{HIGHEST}")
        # It is a command all the same.
        assert boss.result(own_id)["status"] == "succeeded"
        wait_until_sync(
            lambda: list(boss.redis.scan_iter(f"dumb:{stream}:aside:*")), what="moved aside"
        )
        wait_until_sync(lambda: boss.redis.exists(f"dumb:{stream}"), what="a new stream")
        works(boss)
        boss.redis.delete(*boss.redis.scan_iter(f"dumb:{stream}:aside:*"))


def test_a_receipt_of_another_type_is_replaced(boss: Boss) -> None:
    boss.redis.set("dumb:command:mine", "junk")
    assert boss.send("restart", "web", id="mine") == "mine"
    wait_until_sync(lambda: boss.redis.type("dumb:command:mine") == b"hash", what="a receipt")
    assert boss.result("mine")["status"] == "succeeded"
    ttl: Any = boss.redis.ttl("dumb:command:mine")
    assert 0 < ttl <= 24 * 3600


def test_a_wiped_redis_is_filled_again(boss: Boss) -> None:
    boss.run("start", "web")
    boss.redis.flushdb()
    boss.redis.script_flush()
    boss.wait_status("web", "running")
    wait_until_sync(boss.beats, what="the heartbeat")
    assert boss.redis.exists("dumb:config")
    works(boss)


def test_a_service_hash_of_nonsense_is_replaced(boss: Boss) -> None:
    boss.run("start", "web")
    boss.redis.delete("dumb:service:web")
    boss.redis.set("dumb:service:web", "junk")
    boss.run("restart", "web")
    boss.wait_status("web", "running")


def test_entries_of_both_streams_with_one_id_are_two_commands(boss: Boss) -> None:
    assert boss.run("start", "web")["status"] == "succeeded"
    generation = int(boss.service("web")["generation"])
    seconds, _ = boss.redis.time()
    entry_id = f"{seconds * 1000 + 5000}-7"
    pipe = boss.redis.pipeline(transaction=True)
    for stream, action in (("commands", "restart"), ("triggers", "stop")):
        entry: dict[Any, Any] = {"action": action, "process_name": "web"}
        pipe.xadd(f"dumb:{stream}", entry, id=entry_id)
    pipe.execute()
    first = boss.result(entry_id)
    others = [
        boss.result(f"{entry_id}:{kind}")
        for kind in ("trigger", "command")
        if boss.redis.exists(f"dumb:command:{entry_id}:{kind}")
    ]
    assert {first["action"], others[0]["action"]} == {"restart", "stop"}
    assert first["status"] in {"succeeded", "cancelled"}
    assert int(boss.service("web")["generation"]) in {generation, generation + 1}
    works(boss)
