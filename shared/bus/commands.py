"""Commands: how they get onto a stream, and how their receipts are read."""

import secrets
import time
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.bus.scripts import SUBMIT
from shared.errors import SupervisorAwayError, UnknownServiceError
from shared.models.command import RECEIPT_TTL_S, Action, Receipt


def new_command_id() -> str:
    """A fresh id: time-ordered for the eye, random for uniqueness."""
    return f"{int(time.time() * 1000):x}-{secrets.token_hex(6)}"


class CommandWriter:
    """Puts commands on `dumb:commands`. One round trip each."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._keys = keys
        self._submit = redis.register_script(SUBMIT)

    async def submit(
        self,
        action: Action,
        process_name: str,
        *,
        command_id: str,
        actor: str,
        source: str,
        args: dict[str, Any] | None = None,
        expires_at_ms: int | None = None,
        request: str = "",
    ) -> bool:
        """Queue a command; `process_name` is a configured name or empty.

        Args:
            request: what `read_request` gives for this id from now on.

        Returns:
            False when a command of that id exists already (it will not run twice).

        Raises:
            SupervisorAwayError: no heartbeat; nothing was queued.
            UnknownServiceError: the name is not in `dumb:services`; nothing was queued.
            redis.exceptions.RedisError: Redis is away (see `BUS_ERRORS`) or refuses.
        """
        keys = self._keys
        receipt = Receipt(
            id=command_id,
            action=action.value,
            process_name=process_name,
            actor=actor,
            source=source,
            created_at=time.time(),
        )
        receipt.steps.append((receipt.created_at, "accepted"))
        entry = {
            "action": action.value,
            "process_name": process_name,
            "id": command_id,
            "actor": actor,
            "source": source,
        }
        if args is not None:
            entry["args"] = orjson.dumps(args).decode()
        if expires_at_ms is not None:
            entry["expires_at_ms"] = str(expires_at_ms)
        fields = receipt.to_hash() | ({"request": request} if request else {})
        outcome = await self._submit(
            keys=[keys.command(command_id), keys.commands],
            args=[
                keys.supervisor,
                keys.services,
                RECEIPT_TTL_S,
                process_name,
                len(fields),
                *_flat(fields),
                *_flat(entry),
            ],
        )
        if outcome == -1:
            raise SupervisorAwayError("The supervisor is not running, so nothing can be changed.")
        if outcome == -2:
            raise UnknownServiceError(process_name)
        return bool(outcome == 1)


async def read_request(redis: Redis, keys: Keys, command_id: str) -> str:
    """What tells the request behind a command apart from others of the same key, if it was said."""
    raw = cast("bytes | None", await redis.hget(keys.command(command_id), "request"))
    return (raw or b"").decode("ascii", "replace")


async def read_receipt(redis: Redis, keys: Keys, command_id: str) -> Receipt | None:
    """The receipt of a command, or None when there is none (any more).

    Raises:
        ValueError: the hash holds something that is no receipt.
    """
    raw = cast("dict[bytes, bytes]", await redis.hgetall(keys.command(command_id)))
    return Receipt.from_hash(command_id, raw) if raw else None


def _flat(mapping: dict[str, str]) -> list[str]:
    return [part for pair in mapping.items() for part in pair]
