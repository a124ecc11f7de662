"""What stands in for a supervisor that holds, or held, the right to write to a Redis."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis

_PAUSE_S: Final = 0.05
_RENEW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], 5000) end
"""


@contextmanager
def _again(act: Any) -> Iterator[None]:
    """Do it now and again until the end of the block."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(_PAUSE_S):
            act()

    act()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def renewed_claim(redis: Redis) -> Iterator[bytes]:
    """The value that stands there now, renewed while it stands there, also for a dead holder."""
    value: Any = redis.get("dumb:commands:claim")
    assert isinstance(value, bytes), "no supervisor has the claim"
    with _again(lambda: redis.eval(_RENEW, 1, "dumb:commands:claim", value)):
        yield value


@contextmanager
def heartbeat_without_claim(redis: Redis, **fields: str) -> Iterator[Mapping[str, str]]:
    """The heartbeat of a supervisor of the version before claims, alive during the block."""
    told = {"node": "elsewhere", "pid": "4242", "boot_id": "another", "version": "0"} | fields

    def beat() -> None:
        values: Any = {**told, "heartbeat_at": str(time.time())}
        pipe = redis.pipeline(transaction=True)
        pipe.delete("dumb:supervisor")
        pipe.hset("dumb:supervisor", mapping=values)
        pipe.expire("dumb:supervisor", 5)
        pipe.execute()

    with _again(beat):
        yield told
