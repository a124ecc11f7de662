"""The claim of a supervisor that a test stands in for."""

from pathlib import Path
from typing import Final

from redis.asyncio import Redis

from services.supervisor.claim import Claim
from shared.bus.claim import Fence
from shared.bus.keys import Keys
from shared.lock import take_lock
from shared.settings import load_settings

VALUE: Final = b'{"process":"of a test"}'

NO_FENCE: Final = Fence("dumb:commands:claim", VALUE)
"""For what is never sent."""


async def held_fence(redis: Redis, keys: Keys) -> Fence:
    """A fence whose claim stands in Redis, without an end."""
    fence = Fence(keys.claim, VALUE)
    await redis.set(keys.claim, fence.value)
    await fence.load(redis)
    return fence


def claim_of(home: Path, keys: Keys) -> Claim:
    """The claim of a supervisor on that data directory. It is not taken yet."""
    settings = load_settings({"DUMB_HOME": str(home), "REDIS_URL": "redis://127.0.0.1"})
    return Claim(settings, keys, take_lock(settings.run_dir / "supervisor.lock", "test", home))
