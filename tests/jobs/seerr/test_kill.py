"""A sync whose worker is killed: it goes on, and nothing is there twice."""

import asyncio
import os
import signal
from pathlib import Path

from shared.jobs import LONG
from tests.support.jobs import JobsProcess
from tests.support.seerr.server import FakeSeerr, Fault, serving
from tests.support.seerr.world import SeerrWorld
from tests.support.wait import wait_until

TITLES = 60


async def test_a_sync_that_is_killed_goes_on_and_copies_nothing_twice(
    tmp_path: Path, redis_url: str
) -> None:
    primary = FakeSeerr(SeerrWorld(auto_approve=False))
    sub = FakeSeerr(SeerrWorld(first_id=1000))
    for number in range(1, TITLES + 1):
        primary.world.create("movie", number)
    # Slow after it took effect: the kill finds requests that exist and are not noted.
    sub.choose = lambda method, _p: Fault(delay=0.02) if method == "POST" else None
    program = JobsProcess(tmp_path, redis_url, real=True)
    try:
        async with serving(primary, sub):
            config = {
                "seerr_sync": {
                    "enabled": True,
                    "external_primary": {
                        "enabled": True,
                        "url": primary.url,
                        "api_key": primary.key,
                    },
                    "external_subordinates": [sub.as_subordinate()],
                }
            }
            program.publish_config(config)
            await asyncio.to_thread(program.start)
            await wait_until(lambda: len(sub.world.items) >= 10, what="a part is copied")
            os.kill(program.workers()[LONG], signal.SIGKILL)
            sub.choose = lambda _m, _p: None
            await wait_until(lambda: len(sub.world.items) == TITLES, timeout=40, what="all of it")
            await wait_until(
                lambda: program.redis.hlen(program.keys.seerr_requests) == TITLES,
                what="every copy is known",
            )
            titles = [item.title for item in sub.world.items.values()]
            assert len(set(titles)) == TITLES
            assert sub.world.deleted == []
    finally:
        await asyncio.to_thread(program.close)
