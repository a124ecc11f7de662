"""The claim of one process: whom it succeeds, when it is certain, whom it takes for alive."""

import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.supervisor import claim as claim_module
from services.supervisor.claim import Claim, ForeignHolderError
from shared.bus.claim import TTL_MS, ClaimLostError, Holder, take_claim
from shared.bus.keys import Keys
from shared.exits import Exit
from shared.owner import owner_of, read_token
from tests.support.claim import claim_of

KEYS = Keys("dumb:")


class Clock:
    """Seconds since the boot, as a test tells them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(claim_module, "since_boot", clock)
    return clock


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2) as redis:
        yield redis


async def stands(redis: Redis, holder: Holder) -> None:
    """Another value in the claim."""
    await redis.set(KEYS.claim, holder.to_json(), px=TTL_MS)


async def test_it_is_certain_for_as_long_as_nobody_else_can_have_it(
    tmp_path: Path, redis: Redis, clock: Clock
) -> None:
    claim = claim_of(tmp_path, KEYS)
    assert not claim.certain
    with pytest.raises(ClaimLostError):
        claim.check()
    await claim.take(redis)
    claim.check()
    clock.now += TTL_MS / 1000 - 0.1  # it may have stood still: what counts is when it asked
    claim.check()
    clock.now += 0.2
    with pytest.raises(ClaimLostError, match="not renewed in time"):
        claim.check()
    await claim.confirm(redis)
    claim.check()
    await stands(redis, Holder(process="another", node="n"))
    with pytest.raises(ClaimLostError, match="went to another supervisor on n"):
        await claim.confirm(redis)
    assert not claim.certain
    await redis.delete(KEYS.claim)
    with pytest.raises(ClaimLostError, match="taken again"):
        await claim.confirm(redis)


async def test_what_is_given_up_is_not_taken_again(tmp_path: Path, redis: Redis) -> None:
    claim = claim_of(tmp_path, KEYS)
    await claim.take(redis)
    await claim.fence.load(redis)
    await claim.release(redis)
    assert not await redis.exists(KEYS.claim)
    assert not claim.certain
    with pytest.raises(ClaimLostError):
        await claim.take(redis)
    other = claim_of(tmp_path / "other", KEYS)
    await other.take(redis)
    with pytest.raises(Exception, match="NOCLAIM"):
        await claim.release(redis)
    assert await redis.get(KEYS.claim) == other.fence.value


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "taken"),
        ({"pid": 1, "node": "the hostname was changed"}, "taken"),
        ({"owner": owner_of("0" * 64)}, "held"),
        ({"lock": "1:2"}, "held"),
        ({"boot_id": "before"}, "held"),
    ],
)
async def test_whom_it_succeeds_without_watching(
    tmp_path: Path, redis: Redis, changes: dict[str, Any], word: str
) -> None:
    """The one that held the very lock file that it holds, in the same boot: that one is dead."""
    claim = claim_of(tmp_path, KEYS)
    await stands(redis, replace(claim.holder, process="before", **changes))
    assert (await claim.take(redis)).word == word


async def test_the_token_lies_in_the_directory_for_its_user_alone(
    tmp_path: Path, redis: Redis
) -> None:
    claim = claim_of(tmp_path, KEYS)
    path = tmp_path / "run" / "supervisor.token"
    assert not path.exists()  # one that has to end leaves nothing
    await claim.take(redis)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert owner_of(read_token(path)) == claim.holder.owner
    assert read_token(path).encode() not in claim.fence.value
    await claim.take(redis)
    assert path.stat().st_ino == status.st_ino


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64, b"G" * 64, b"0" * 65])
async def test_a_token_that_cannot_be_used_is_replaced(
    tmp_path: Path, redis: Redis, content: bytes
) -> None:
    path = tmp_path / "run" / "supervisor.token"
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_token(path) == ""
    claim = claim_of(tmp_path, KEYS)
    await claim.take(redis)
    assert owner_of(read_token(path)) == claim.holder.owner


async def test_a_token_that_cannot_be_written_ends_nothing(
    tmp_path: Path, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run" / "supervisor.new").mkdir(parents=True)
    claim = claim_of(tmp_path, KEYS)
    assert (await claim.take(redis)).word == "taken"
    assert "supervisor.token cannot be written" in caplog.text


async def test_a_holder_that_renews_at_any_pace_is_alive(
    tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More often than the watcher looks, the time left never rises between two looks."""
    monkeypatch.setattr(claim_module, "LOOK_S", 0.05)
    other = Holder(process="another", node="n", home="/h", pid=5)
    claim = claim_of(tmp_path, KEYS)

    class Renewing:
        """Each look is preceded by a renewal."""

        async def __call__(self, redis: Redis, *args: Any, **more: Any) -> Any:
            await stands(redis, other)
            return await take_claim(redis, *args, **more)

    monkeypatch.setattr(claim_module, "take_claim", Renewing())
    with pytest.raises(ForeignHolderError) as caught:
        await claim.win(redis_url)
    assert caught.value.exit_code == Exit.IN_USE
    assert "another supervisor on n, data directory /h, pid 5" in str(caught.value)
    assert not (tmp_path / "run" / "supervisor.token").exists()


async def test_slow_answers_make_no_dead_one_alive(
    tmp_path: Path, redis_url: str, redis: Redis, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """However long a look takes, what is left falls as fast as time passes."""
    monkeypatch.setattr(claim_module, "LOOK_S", 0)
    await stands(redis, Holder(process="dead"))
    left = iter([4000, 3900, 2500, 1500, 1400, 100])
    claim = claim_of(tmp_path, KEYS)

    async def slow(redis: Redis, *args: Any, **more: Any) -> Any:
        found = await take_claim(redis, *args, **more)
        clock.now += 0.7  # the answer
        at = next(left, None)
        if at is None:
            await redis.delete(KEYS.claim)
            return await take_claim(redis, *args, **more)
        return replace(found, left_ms=at)

    monkeypatch.setattr(claim_module, "take_claim", slow)
    await claim.win(redis_url)
    assert claim.certain


async def test_a_redis_that_is_away_is_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    claim: Claim = claim_of(tmp_path, KEYS)
    await claim.win("redis://127.0.0.1:1/0")
    assert not claim.certain
    assert "services go first" in caplog.text


def test_every_process_has_a_value_of_its_own(tmp_path: Path) -> None:
    first, second = claim_of(tmp_path / "a", KEYS), claim_of(tmp_path / "b", KEYS)
    assert first.fence.value != second.fence.value
    assert first.holder.pid == second.holder.pid == os.getpid()
