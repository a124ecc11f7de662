"""What Redis tells: whether it lets us in, and the supervisor's heartbeat."""

import time
from collections.abc import Iterator
from typing import Any, Final

from redis.exceptions import RedisError

from services.cli.doctor.findings import Finding
from shared.bus.client import blocking_client
from shared.bus.keys import Keys
from shared.bus.refusals import refusal_of, require_changes_blocking
from shared.redis_url import parse_redis_url
from shared.settings import Settings

FRESH_S: Final = 5.0
"""A heartbeat that is older is none (docs/protocol.md)."""


def check_redis(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, and what stands in it."""
    if not settings.redis_url:
        detail = f"none is known: {settings.redis_url_file} is not there, REDIS_URL is not set"
        yield Finding("redis", False, detail, "`make run` or `dumb up` starts one.")
        return
    try:
        place = parse_redis_url(settings.redis_url).place
    except ValueError as error:
        yield Finding("redis", False, f"its URL cannot be used: {error}", "Correct REDIS_URL.")
        return
    keys = Keys(settings.redis_prefix)
    try:
        with blocking_client(settings.redis_url, "dumb-doctor") as redis:
            redis.ping()
            raw: Any = redis.hgetall(keys.supervisor)
            problem: Any = redis.get(keys.config_problem)
            if not raw:
                require_changes_blocking(redis, keys)
    except (RedisError, OSError, ValueError) as error:
        refused = refusal_of(error)
        advice = refused.advice if refused else _redis_advice(str(error))
        detail = f"{refused.sentence} It says: {error}" if refused else str(error)
        yield Finding("redis", False, f"{place}: {detail}", advice)
        return
    yield Finding("redis", True, f"answers at {place}")
    beat = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in raw.items()}
    yield _heartbeat(beat, time.time())
    if problem:
        text = problem.decode("utf-8", "replace")
        yield Finding("configuration", False, text, "Repair the file; the last good one counts.")


def _redis_advice(words: str) -> str:
    lower = words.lower()
    if "certificate" in lower or "ssl" in lower:
        return "See DUMB_REDIS_CA_FILE, or use redis:// for a server without TLS."
    return "Is it running? `dumb up` starts one where REDIS_URL is not set."


def _heartbeat(beat: dict[str, str], now: float) -> Finding:
    name = "supervisor"
    try:
        age = now - float(beat.get("heartbeat_at") or 0)
    except ValueError:
        age = now
    if not beat or age > FRESH_S:
        return Finding(name, False, "no heartbeat", "Start it with `dumb up`; its log says more.")
    return Finding(name, True, f"{beat.get('phase')}, pid {beat.get('pid')}, {age:.1f} s ago")
