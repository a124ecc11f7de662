"""The claim in Redis and the fence before every script, on a real server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.bus import claim as claim_module
from shared.bus.claim import TTL_MS, ClaimLostError, Fence, Holder, claim_lost, take_claim
from shared.bus.keys import Keys

pytestmark = pytest.mark.redis

KEYS = Keys("dumb:")
MINE = Holder(process="a", owner="o", lock="1:2", node="n", home="/h", pid=7, boot_id="b")
OTHER = replace(MINE, process="b", node="m", home="/other", pid=8)
BEAT: dict[Any, Any] = {"heartbeat_at": "1.5", "node": "n", "pid": "9", "boot_id": "b"}


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2) as redis:
        yield redis


async def test_it_is_taken_once_and_renewed_by_its_holder(redis: Redis) -> None:
    values = [replace(MINE, process=str(n)).to_json() for n in range(20)]
    found = await asyncio.gather(*(take_claim(redis, KEYS, value) for value in values))
    assert sorted(taken.word for taken in found) == ["held"] * 19 + ["taken"]
    winner = await redis.get(KEYS.claim)
    assert winner == values[[taken.word for taken in found].index("taken")]
    assert {taken.holder.to_json() for taken in found if taken.word == "held"} == {winner}
    await redis.pexpire(KEYS.claim, 100)
    assert (await take_claim(redis, KEYS, winner)).word == "kept"
    assert TTL_MS - 1000 < await redis.pttl(KEYS.claim) <= TTL_MS


async def test_a_look_changes_nothing(redis: Redis) -> None:
    await take_claim(redis, KEYS, MINE.to_json())
    await redis.pexpire(KEYS.claim, 2000)
    before = {key: await redis.dump(key) for key in await redis.keys()}
    for _ in range(5):
        found = await take_claim(redis, KEYS, OTHER.to_json())
        assert (found.word, found.holder, found.raw) == ("held", MINE, MINE.to_json())
        assert 0 < found.left_ms <= 2000
    assert {key: await redis.dump(key) for key in await redis.keys()} == before
    assert await redis.pttl(KEYS.claim) <= 2000


async def test_only_the_value_that_is_named_is_replaced(redis: Redis) -> None:
    await take_claim(redis, KEYS, MINE.to_json())
    for wrong in (b"", b"{}", OTHER.to_json()):
        found = await take_claim(redis, KEYS, OTHER.to_json(), instead=wrong)
        assert found.word == "held"
    found = await take_claim(redis, KEYS, OTHER.to_json(), instead=MINE.to_json())
    assert found.word == "taken"
    assert (await take_claim(redis, KEYS, MINE.to_json())).holder == OTHER


@pytest.mark.parametrize("ttl_ms", [None, 10 * TTL_MS])
async def test_one_that_would_outlive_every_holder_gets_an_end(
    redis: Redis, ttl_ms: int | None
) -> None:
    await redis.set(KEYS.claim, OTHER.to_json(), px=ttl_ms)
    assert (await take_claim(redis, KEYS, MINE.to_json())).left_ms == TTL_MS
    assert 0 < await redis.pttl(KEYS.claim) <= TTL_MS


@pytest.mark.parametrize("odd", [b"\xff", b"[]", b"nonsense", b'{"pid":[1]}'])
async def test_what_cannot_be_read_is_held_until_it_runs_out(redis: Redis, odd: bytes) -> None:
    await redis.set(KEYS.claim, odd, px=TTL_MS)
    found = await take_claim(redis, KEYS, MINE.to_json())
    assert (found.word, str(found.holder)) == ("held", "another supervisor")
    await redis.pexpire(KEYS.claim, 0)
    assert (await take_claim(redis, KEYS, MINE.to_json())).word == "taken"


async def test_a_key_of_another_type_is_put_aside(redis: Redis) -> None:
    await redis.rpush(KEYS.claim, "mine")
    assert (await take_claim(redis, KEYS, MINE.to_json())).word == "taken"
    (aside,) = await redis.keys(f"{KEYS.claim}:aside:*")
    assert await redis.lrange(aside, 0, -1) == [b"mine"]
    assert 0 < await redis.ttl(aside) <= 604800


async def test_a_supervisor_without_claims_is_in_the_way_until_its_heart_stops(
    redis: Redis,
) -> None:
    """One of the version before claims: only its heartbeat tells of it."""
    await redis.hset(KEYS.supervisor, mapping=BEAT)
    found = await take_claim(redis, KEYS, MINE.to_json())
    assert (found.word, found.heartbeat_at) == ("old", "1.5")
    assert (found.holder.node, found.holder.pid, found.holder.boot_id) == ("n", 9, "b")
    assert not await redis.exists(KEYS.claim)
    assert (await take_claim(redis, KEYS, MINE.to_json(), over="1.4")).word == "old"
    assert (await take_claim(redis, KEYS, MINE.to_json(), over="1.5")).word == "taken"
    # It is alive all the same, and writes beside us.
    kept = await take_claim(redis, KEYS, MINE.to_json())
    assert (kept.word, kept.heartbeat_at, kept.holder.pid) == ("kept", "1.5", 9)
    await redis.hset(KEYS.supervisor, "claim", "a")
    assert (await take_claim(redis, KEYS, MINE.to_json())).heartbeat_at == ""


@pytest.mark.parametrize("beat", [{"pid": "x"}, {"pid": b"\xff", "node": b"\xff"}, {"node": ""}])
async def test_a_heartbeat_of_nonsense_holds_nothing_up(redis: Redis, beat: Any) -> None:
    await redis.hset(KEYS.supervisor, mapping={"heartbeat_at": b"\xff", **beat})
    found = await take_claim(redis, KEYS, MINE.to_json())
    assert (found.word, found.holder.pid) == ("old", 0)
    await redis.delete(KEYS.supervisor)
    await redis.set(KEYS.supervisor, "of another type")
    assert (await take_claim(redis, KEYS, MINE.to_json())).word == "taken"


async def test_a_fenced_write_has_all_of_its_effect_or_none(redis: Redis) -> None:
    fence = Fence(KEYS.claim, MINE.to_json())
    await fence.load(redis)
    both = (("SET", "dumb:x", 1), ("INCRBY", "dumb:x", 41))
    for held in (None, OTHER.to_json(), b"", MINE.to_json()[:-1]):
        if held is not None:
            await redis.set(KEYS.claim, held)
        with pytest.raises(ResponseError) as caught:
            await fence.write(redis, *both)
        assert claim_lost(caught.value)
        assert not await redis.exists("dumb:x")
    await redis.delete(KEYS.claim)
    await redis.rpush(KEYS.claim, MINE.to_json())  # of another type
    with pytest.raises(ResponseError, match="NOCLAIM"):
        await fence.write(redis, *both)
    await redis.delete(KEYS.claim)
    await redis.set(KEYS.claim, MINE.to_json())
    assert await fence.write(redis, *both) == 42
    # Binary words, an empty word, and the error of a command as it is; nothing happens after it.
    assert await fence.write(redis, ("SET", "dumb:b", b"\x00\xff\r\n"), ("GET", "dumb:b")) == (
        b"\x00\xff\r\n"
    )
    with pytest.raises(ResponseError, match="WRONGTYPE") as wrong:
        await fence.write(redis, ("LPUSH", "dumb:x", "1"), ("SET", "dumb:x", ""))
    assert not claim_lost(wrong.value)
    assert await redis.get("dumb:x") == b"42"


async def test_every_script_that_writes_asks_for_the_claim(redis: Redis) -> None:
    """Each with arguments that have an effect under the claim, and none without it."""
    fence = Fence(KEYS.claim, MINE.to_json())
    await fence.load(redis)

    async def send() -> list[Any]:
        pipe = redis.pipeline(transaction=False)
        fence.add(pipe, ("SET", "dumb:f", "1"))
        fence.add_status(pipe, ("dumb:s", "dumb:set"), "channel", "{}", "name", '{"a":"b"}')
        for only_open in (False, True):
            fence.add_receipt(
                pipe, (f"dumb:r{only_open}", "dumb:c"), "60", "ch", "{}", '{"status":"running"}',
                only_open=only_open,
            )  # fmt: skip
        chunk = ["9-0", "line\n", "0-0", "g", 9, "", "{}", 1, 0]
        fence.add_chunk(pipe, ("dumb:l", "dumb:m"), chunk)
        found: list[Any] = await pipe.execute(raise_on_error=False)
        return found

    # A script that is added to `Fence.load` without a line here is one that this does not try.
    assert len(await send()) == len(claim_module._Shas.__dataclass_fields__)
    assert all(claim_lost(answer) for answer in await send())
    assert await redis.keys() == []
    await redis.set(KEYS.claim, MINE.to_json())
    assert not [answer for answer in await send() if isinstance(answer, Exception)]
    assert len(await redis.keys()) >= 7


async def test_a_read_that_waits_counts_only_under_the_claim(redis: Redis) -> None:
    fence = Fence(KEYS.claim, MINE.to_json())
    await redis.xgroup_create("dumb:q", "g", mkstream=True)
    await redis.xadd("dumb:q", {"a": "b"}, id="1-0")
    read = ("XREADGROUP", "GROUP", "g", "g", "BLOCK", 20, "STREAMS", "dumb:q", ">")
    for lost in (None, OTHER.to_json(), b""):
        if lost is not None:
            await redis.set(KEYS.claim, lost)
        with pytest.raises(ClaimLostError):
            await fence.read(redis, *read)
    await redis.delete(KEYS.claim)
    await redis.rpush(KEYS.claim, MINE.to_json())
    with pytest.raises(ClaimLostError):
        await fence.read(redis, *read)
    await redis.delete(KEYS.claim)
    await redis.set(KEYS.claim, MINE.to_json(), px=TTL_MS)
    assert not await fence.read(redis, *read)  # the loser has taken the entry: it is pending
    await redis.xadd("dumb:q", {"a": "b"}, id="2-0")
    assert await fence.read(redis, *read) == [[b"dumb:q", [(b"2-0", {b"a": b"b"})]]]
    await redis.pexpire(KEYS.claim, 2000)
    await fence.read(redis, *read)
    assert await redis.pttl(KEYS.claim) <= 2000  # it is not renewed
    await redis.delete("dumb:q")
    with pytest.raises(ResponseError, match=r"^NOGROUP"):  # `Inbox` looks at the beginning
        await fence.read(redis, *read)


def test_what_says_that_the_claim_is_lost() -> None:
    assert claim_lost(ClaimLostError("x"))
    assert claim_lost(ResponseError("NOCLAIM the claim of this supervisor does not stand in Redis"))
    for other in (ResponseError("WRONGTYPE"), None, b"NOCLAIM", 1):
        assert not claim_lost(other)


def test_a_holder_is_named_for_people() -> None:
    assert str(OTHER) == "another supervisor on m, data directory /other, pid 8"
    assert str(Holder(node="m" * 9000)) == f"another supervisor on {'m' * 200}"
    assert str(Holder(home="/a\nb\x1b[1m")) == "another supervisor, data directory /a?b?[1m"
    assert Holder.from_json(OTHER.to_json()) == OTHER
    assert Holder.from_json(b'{"pid":"12","later":1}') == Holder(pid=12)
