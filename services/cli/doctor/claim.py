"""Whether this data directory's supervisor, or another one, may write to Redis."""

import socket
from collections.abc import Iterator
from typing import Any

from redis.exceptions import RedisError

from services.cli.doctor.findings import Finding
from shared.bus.claim import Holder
from shared.bus.client import blocking_client
from shared.bus.keys import Keys
from shared.owner import TOKEN_FILE, owner_of, read_token
from shared.redis_url import parse_redis_url
from shared.settings import Settings


def check_claim(settings: Settings) -> Iterator[Finding]:
    """Who holds the claim, where a supervisor of this data directory was started at least once.

    Says nothing where that cannot be known: elsewhere one finds that Redis is away, and a user of
    Redis other than the supervisor's may not look.
    """
    try:
        status = (settings.run_dir / "supervisor.lock").stat()
        place = parse_redis_url(settings.redis_url).place
        with blocking_client(settings.redis_url, "dumb-doctor", 1) as redis:
            raw: Any = redis.get(Keys(settings.redis_prefix).claim)
    except (RedisError, OSError, ValueError):
        return
    if raw is None:  # a missing supervisor is the finding of others
        return
    holder = Holder.from_json(raw)
    if _is_ours(holder, settings, f"{status.st_dev}:{status.st_ino}"):
        detail = f"pid {holder.pid} of this data directory writes to Redis at {place}"
        yield Finding("supervisor claim", True, detail)
        return
    yield Finding(
        "supervisor claim",
        False,
        f"Redis at {place} is in use by {holder}; one of {settings.home} can neither write "
        "there nor take commands",
        "Stop that supervisor, or set REDIS_URL to another Redis or DUMB_REDIS_PREFIX to another "
        "prefix here.",
    )


def _is_ours(holder: Holder, settings: Settings, lock: str) -> bool:
    """The same lock file, or the same token on another machine, which numbers files differently.

    On one machine a copy of the directory has the token too, but another lock file.
    """
    if holder.lock == lock or holder.node == socket.gethostname():
        return holder.lock == lock
    token = read_token(settings.run_dir / TOKEN_FILE)
    return bool(token) and holder.owner == owner_of(token)
