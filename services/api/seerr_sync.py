"""What the API says about the Seerr sync, from what the jobs program left in Redis."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.models.seerr import SEPARATOR
from shared.outbound import Outbound, OutboundError, check_url

TEST_S: Final = 10.0
DEFAULT_INTERVAL_S: Final = 60


class ConnectionTestError(Exception):
    """What `POST /seerr-sync/test` answers 400 with."""


@dataclass(frozen=True, slots=True)
class SeerrReader:
    """Reads; and removes failures that a person clears. Raises what redis-py raises."""

    redis: Redis
    keys: Keys

    async def status(self, config: dict[str, Any]) -> dict[str, Any]:
        """The contract's three forms (rest.md 6), with counts from the first copy on.

        `config` is the effective one.
        """
        section = _object(config.get("seerr_sync"))
        if section.get("enabled") is not True:
            return {"enabled": False, "status": "disabled"}
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self.keys.seerr_meta)
            pipe.hlen(self.keys.seerr_requests)
            pipe.hkeys(self.keys.seerr_failed)
            raw, tracked, failed = await pipe.execute()
        meta = {_text(key): _text(value) for key, value in raw.items()}
        last = meta.get("last_poll_ts", "")
        waits: dict[str, Any] = {"status": "active"}
        if not last:
            message = "The first cycle has not ended yet."
            if problem := meta.get("problem"):
                message = f"There was no cycle yet: {problem}."
            waits = {"status": "initializing", "message": message}
        seconds = section.get("poll_interval_seconds")
        seconds = seconds if isinstance(seconds, int) else DEFAULT_INTERVAL_S
        return {
            "enabled": True,
            **waits,
            "last_poll": last or None,
            "next_poll": _later(last, seconds),
            "poll_interval_seconds": seconds,
            "total_requests_tracked": tracked,
            "total_failed": len(failed),
            "subordinates": _subordinates(meta, failed),
            "problem": meta.get("problem") or None,
        }

    async def failed(self) -> dict[str, Any]:
        """Every failure, in the order of the keys."""
        found = []
        for name, data in sorted((await self._hash(self.keys.seerr_failed)).items()):
            fingerprint, separator, label = _text(name).partition(SEPARATOR)
            tree = _object(_tree(data))
            found.append(
                {
                    "fingerprint": fingerprint,
                    "subordinate": label if separator else "unknown",
                    "media_type": tree.get("media_type"),
                    "tmdb_id": tree.get("tmdb_id"),
                    "error": tree.get("error"),
                    "failed_at": tree.get("failed_at"),
                }
            )
        return {"count": len(found), "failed_requests": found}

    async def state(self) -> bytes:
        """The original's state as JSON; `{}` when there is none."""
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hget(self.keys.seerr_meta, "last_poll_ts")
            pipe.hgetall(self.keys.seerr_requests)
            pipe.hgetall(self.keys.seerr_failed)
            last, requests, failed = await pipe.execute()
        if not last and not requests and not failed:
            return b"{}"
        return b'{"last_poll_ts":%b,"requests":%b,"failed":%b}' % (
            orjson.dumps(_text(last) if last else None),
            _joined(requests),
            _joined(failed),
        )

    async def clear(self, fingerprint: str | None) -> int:
        """Forget failures, so that the next cycle tries again; how many there were."""
        raw = cast("list[bytes]", await self.redis.hkeys(self.keys.seerr_failed))
        names = [_text(name) for name in raw]
        if fingerprint is not None:
            names = [name for name in names if name.partition(SEPARATOR)[0] == fingerprint]
        if not names:
            return 0
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hdel(self.keys.seerr_failed, *names)
            pipe.hset(self.keys.seerr_meta, "unsaved", "1")
            gone, _ = await pipe.execute()
        return int(gone)

    async def _hash(self, key: str) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", await self.redis.hgetall(key))


async def try_connection(url: str, api_key: str) -> Any:
    """The body of the Seerr's `/status`, once it took the key at a route that asks for one.

    Raises:
        ConnectionTestError: it did not.
    """
    headers = {"X-Api-Key": api_key, "Accept": "application/json"}
    try:
        base = f"{check_url(url)}/api/v1"
        async with Outbound(connections=1) as http:
            status = await http.ask("GET", f"{base}/status", headers=headers, seconds=TEST_S)
            if not status.ok:
                raise ConnectionTestError(f"Seerr responded with HTTP {status.status}")
            body = status.json()
            # `/status` is open to everybody: only this tells whether the key is right.
            page = f"{base}/request?take=1&skip=0"
            known = await http.ask("GET", page, headers=headers, seconds=TEST_S)
            if not known.ok:
                raise ConnectionTestError(f"Seerr responded with HTTP {known.status}")
            known.json()
    except OutboundError as error:
        raise ConnectionTestError(f"Connection failed: {error}") from None
    except ValueError:
        raise ConnectionTestError("Connection failed: the answer is no JSON") from None
    return body


def _subordinates(meta: dict[str, str], failed: list[bytes]) -> dict[str, dict[str, int]]:
    counts = Counter(_text(name).partition(SEPARATOR)[2] for name in failed)
    synced = _object(_tree(meta.get("synced", "{}").encode()))
    found = {
        label: {"synced": number} for label, number in synced.items() if isinstance(number, int)
    }
    for label, number in counts.items():
        found.setdefault(label or "unknown", {"synced": 0})["failed"] = number
    return found


def _later(last: str, seconds: int) -> str | None:
    """In UTC from end to end: the original was off by the zone."""
    try:
        moment = datetime.fromisoformat(last).astimezone(UTC) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _joined(entries: dict[bytes, bytes]) -> bytes:
    """An object of values that are JSON already."""
    pairs = (orjson.dumps(_text(key)) + b":" + value for key, value in sorted(entries.items()))
    return b"{" + b",".join(pairs) + b"}"


def _tree(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
