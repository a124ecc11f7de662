"""Logins that are over, out of Redis before their time runs out."""

from typing import Any, Final, cast

import orjson
from redis import Redis

from services.jobs.job import JobRun
from shared.bus.keys import Keys

BATCH: Final = 500
ORIGINAL: Final = "o-"
"""A family of a token of the original. Its absence means "not used yet", so it stays."""
LONGEST_LIFE_S: Final = 400 * 86_400


def clean_sessions(run: JobRun) -> dict[str, Any]:
    """Delete families that were revoked, or whose user is gone, disabled or has a new epoch.

    Such a family admits nobody any more; without it the answer is the same. Redis ends all others
    itself. While it is not known who the users are, nothing is deleted.

    Raises:
        redis.exceptions.RedisError, OSError: Redis is away; the rest is left to the next run.
    """
    epochs = _epochs(run.redis, run.keys)
    if epochs is None:
        return {"deleted": 0, "looked_at": 0, "skipped": "the accounts are not known"}
    looked = deleted = 0
    prefix = run.keys.session("")
    for names in _batches(run):
        with run.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hmget(name, "username", "tokens_epoch", "revoked")
                pipe.ttl(name)
            answers = pipe.execute(raise_on_error=False)
        looked += len(names)
        for name, fields, ttl in zip(names, answers[::2], answers[1::2], strict=True):
            if name.decode("utf-8", "replace").removeprefix(prefix).startswith(ORIGINAL):
                continue
            if not isinstance(fields, list) or _is_over(fields, epochs):
                deleted += run.redis.delete(name)
            elif ttl == -1:
                run.redis.expire(name, LONGEST_LIFE_S)
        run.progress(looked, looked + BATCH, "logins looked at")
    return {"deleted": deleted, "looked_at": looked}


def _epochs(redis: Redis, keys: Keys) -> dict[str, str] | None:
    """`tokens_epoch` of every active user by name; None when the projection is not whole."""
    settings = cast("dict[bytes, bytes]", redis.hgetall(keys.auth_settings))
    users = cast("dict[bytes, bytes]", redis.hgetall(keys.auth_users))
    if not settings or settings.get(b"users") != str(len(users)).encode():
        return None
    try:
        accounts = [orjson.loads(value) for value in users.values()]
        return {
            a["username"]: str(a["tokens_epoch"]) for a in accounts if a.get("disabled") is not True
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _is_over(fields: list[bytes | None], epochs: dict[str, str]) -> bool:
    username, epoch, revoked = ((f or b"").decode("utf-8", "replace") for f in fields)
    return bool(revoked) or epochs.get(username) != epoch


def _batches(run: JobRun) -> Any:
    batch: list[bytes] = []
    for name in run.redis.scan_iter(match=run.keys.session("*"), count=BATCH):
        batch.append(cast("bytes", name))
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
