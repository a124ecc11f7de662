"""Trimming the command streams: what is open stays, what is done goes."""

import time
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.supervisor import inbox as inbox_module
from services.supervisor.dispatcher import Dispatcher
from services.supervisor.inbox import Inbox
from shared.bus.keys import GROUP, Keys
from tests.support.claim import claim_of

pytestmark = pytest.mark.redis


class Idle(Dispatcher):
    """Takes entries and does nothing, so that they stay pending."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def entry(self, _stream: str, entry_id: str, _raw: Any, *, trigger: bool) -> None:
        self.seen.append(f"{'t' if trigger else 'c'}{entry_id}")


async def test_streams_are_trimmed_to_what_is_open(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys("dumb:")
    idle = Idle()
    claim = claim_of(tmp_path, keys)
    inbox = Inbox(keys, idle, claim)
    redis = Redis.from_url(redis_url, protocol=2)
    async with redis:
        assert (await claim.take(redis)).word == "taken"
        await claim.fence.load(redis)
        await inbox.prepare(redis)
        await inbox.trim(redis)
        now = int(time.time() * 1000)
        ids = [f"{now}-{number}" for number in range(10)]
        for entry_id in ids:
            await redis.xadd(keys.commands, {"a": "b"}, id=entry_id)
        await inbox.trim(redis)
        assert await redis.xlen(keys.commands) == 10  # nothing was read yet
        await inbox._new(redis)
        assert idle.seen == [f"c{entry_id}" for entry_id in ids]
        await redis.xack(keys.commands, GROUP, *ids[:4], *ids[6:])
        await inbox.trim(redis)
        left: Any = await redis.xrange(keys.commands)
        assert [entry_id.decode() for entry_id, _ in left] == ids[4:]
        await redis.xack(keys.commands, GROUP, *ids)
        await redis.xadd(keys.commands, {"a": "b"}, id=f"{now}-99")
        await inbox.trim(redis)
        left = await redis.xrange(keys.commands)
        assert [entry_id.decode() for entry_id, _ in left] == [ids[-1], f"{now}-99"]
        # Whatever is open, a stream has a hard cap.
        monkeypatch.setattr(inbox_module, "HARD_CAP", 200)
        for number in range(1000):
            await redis.xadd(keys.commands, {"a": "b"}, id=f"{now + 1}-{number}")
        await inbox.trim(redis)
        assert int(await redis.xlen(keys.commands)) <= 400


async def test_what_has_a_final_receipt_is_not_taken_again_and_its_arguments_go(
    redis_url: str, tmp_path: Path
) -> None:
    """A successor reads what its predecessor answered and could not acknowledge any more."""
    keys = Keys("dumb:")
    idle = Idle()
    claim = claim_of(tmp_path, keys)
    inbox = Inbox(keys, idle, claim)
    redis = Redis.from_url(redis_url, protocol=2)
    async with redis:
        await claim.take(redis)
        await claim.fence.load(redis)
        await inbox.prepare(redis)
        for command_id in ("done", "open"):
            args: dict[Any, Any] = {"id": command_id, "args": '{"password_hash": "x"}'}
            await redis.xadd(keys.commands, args)
        await redis.xreadgroup(GROUP, GROUP, {keys.commands: ">"})
        await redis.hset(keys.command("done"), mapping={"status": "succeeded"})
        await inbox._pending(redis)
        left: Any = await redis.xrange(keys.commands)
        assert [fields[b"id"] for _, fields in left] == [b"open"]
        assert idle.seen == [f"c{left[0][0].decode()}"]
        pending: Any = await redis.xpending(keys.commands, GROUP)
        assert pending["pending"] == 1


async def test_an_entry_without_an_id_is_known_by_its_own_and_its_source(
    redis_url: str, tmp_path: Path
) -> None:
    """What another supervisor answered stands in no journal here."""
    keys = Keys("dumb:")
    idle = Idle()
    claim = claim_of(tmp_path, keys)
    inbox = Inbox(keys, idle, claim)
    redis = Redis.from_url(redis_url, protocol=2)
    async with redis:
        await claim.take(redis)
        await claim.fence.load(redis)
        await inbox.prepare(redis)
        ids = [f"{int(time.time() * 1000)}-{number}" for number in range(5)]
        for entry_id in ids:  # the two streams count on their own
            for stream in (keys.commands, keys.triggers):
                await redis.xadd(stream, {"action": "start"}, id=entry_id)
        for command_id, source, status in (
            (ids[0], "redis", "succeeded"),
            (f"{ids[0]}:trigger", "trigger", "failed"),
            (ids[1], "trigger", "succeeded"),
            (ids[2], "cli", "running"),
            (f"{ids[3]}:command", "cli", "cancelled"),
        ):
            receipt: dict[Any, Any] = {"status": status, "source": source}
            await redis.hset(keys.command(command_id), mapping=receipt)
        await redis.xreadgroup(GROUP, GROUP, {keys.commands: ">", keys.triggers: ">"})
        await inbox._pending(redis)
    commands = [f"c{ids[number]}" for number in (1, 2, 4)]
    assert idle.seen == commands + [f"t{ids[number]}" for number in (2, 3, 4)]
