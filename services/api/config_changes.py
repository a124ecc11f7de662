"""Changes of the configuration: sent to the supervisor, answered when every replica sees them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from fastapi import HTTPException
from redis.asyncio import Redis

from services.api.asked import Asked
from services.api.bridge import Bridge
from services.api.command_errors import KeyReusedError, ReceiptError, StillRunningError
from services.api.commands import CommandService, Order, failed_with, keyed_id
from shared.bus.client import BUS_ERRORS
from shared.bus.commands import CommandWriter, new_command_id
from shared.bus.keys import Keys
from shared.config.services import ServiceBlock
from shared.errors import BusUnavailableError, DumbError
from shared.models.command import Action, CommandStatus, Receipt
from shared.models.config_change import ConfigOp, Refusal

WAIT_S: Final = 20.0
"""A change takes milliseconds; what is left is for a slow disk."""

MAX_ARGS_BYTES: Final = (4 << 20) - 1024
"""What the supervisor takes of one command."""

_STATUS: Final = {
    Refusal.INVALID: 400,
    Refusal.UNKNOWN_SERVICE: 404,
    Refusal.UNKNOWN_VERSION: 404,
    Refusal.CHANGED: 412,
    Refusal.CONFLICT: 409,
    Refusal.UNAVAILABLE: 500,
}

API_KEY: Final = "dumb_api_service"


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of it. `version` is "" when a supervisor died before it could tell."""

    changed: bool = True
    version: str = ""
    etag: str = ""
    restart_required: list[str] = field(default_factory=list)
    overridden: list[str] = field(default_factory=list)


class ConfigChanges:
    """The only way in which the API changes the configuration."""

    def __init__(self, redis: Redis, keys: Keys, bridge: Bridge, commands: CommandService) -> None:
        self._bridge = bridge
        self._commands = commands
        self._writer = CommandWriter(redis, keys)

    async def make(self, op: ConfigOp, asked: Asked, **fields: Any) -> Changed:
        """Return when the change is made, and every replica can see it.

        Raises:
            HTTPException: it was refused; the status says why.
            SupervisorAwayError, BusUnavailableError: nobody is there to make it.
            StillRunningError: no outcome yet; it may still be made.
        """
        args = {"op": op.value, **{k: v for k, v in fields.items() if v is not None}}
        if len(orjson.dumps(args)) > MAX_ARGS_BYTES:
            raise HTTPException(413, "The change is larger than 4 MiB.")
        command_id = new_command_id() if asked.key is None else keyed_id(asked.key, asked.owner)
        future = self._bridge.expect(command_id)
        try:
            receipt = await self._submit(command_id, args, asked)
            if receipt is None or not receipt.status.final:
                done, _ = await asyncio.wait({future}, timeout=WAIT_S)
                if not done:
                    raise StillRunningError(command_id, asked.location + command_id, WAIT_S)
                receipt = future.result()
            return _outcome(receipt)
        finally:
            self._bridge.forget(command_id)

    async def _submit(self, command_id: str, args: dict[str, Any], asked: Asked) -> Receipt | None:
        """Queue it; the receipt when this id stands for something already."""
        try:
            queued = await self._writer.submit(
                Action.UPDATE_CONFIG,
                "",
                command_id=command_id,
                actor=asked.actor,
                source="api",
                args=args,
                expires_at_ms=int((time.time() + WAIT_S) * 1000),
            )
        except BUS_ERRORS as error:
            raise BusUnavailableError(
                "Redis did not answer, so it is not known whether the change was queued: if it "
                f"was, {asked.location}{command_id} shows it."
            ) from error
        if queued:
            return None
        known = await self._commands.receipt(command_id)
        if known is None:
            raise ReceiptError(f"The receipt of {command_id} is gone; use another key.")
        if known.action != Action.UPDATE_CONFIG:
            raise KeyReusedError(f"This Idempotency-Key was used for '{known.action}'.")
        return known

    async def restart(
        self, names: Sequence[str], services: Sequence[ServiceBlock], asked: Asked
    ) -> list[dict[str, str]]:
        """Restart them one after another, in the order of the file; what became of each.

        The API itself is left out: who runs it restarts it.
        """
        wanted = set(names)
        outcomes = []
        for service in services:
            name = service.process_name
            if name not in wanted or service.config_key == API_KEY:
                continue
            order = Order(Action.RESTART, name, asked.actor, location=asked.location)
            try:
                receipt = await self._commands.place(order)
                failed = failed_with(receipt) is not None
                status, detail = ("failed" if failed else "restarted"), receipt.detail
            except DumbError as error:
                status, detail = "failed", str(error)
            outcomes.append({"process_name": name, "status": status, "detail": detail})
        return outcomes


def _outcome(receipt: Receipt) -> Changed:
    result = receipt.result or {}
    if receipt.status is CommandStatus.SUCCEEDED:
        return Changed(
            changed=bool(result.get("changed", True)),
            version=str(result.get("version", "")),
            etag=str(result.get("etag", "")),
            restart_required=list(result.get("restart_required", [])),
            overridden=list(result.get("overridden", [])),
        )
    if receipt.status is CommandStatus.EXPIRED:
        raise HTTPException(503, receipt.detail, {"retry-after": "1"})
    fallback = 400 if receipt.status is CommandStatus.REJECTED else 500
    raise HTTPException(_STATUS.get(result.get("code", ""), fallback), receipt.detail)


def parse_if_match(values: Sequence[str] | None) -> list[str] | None:
    """The strong tags of `If-Match` without quotes, None when there is no such header.

    A weak tag never matches (RFC 9110 13.1.1).
    """
    if not values:
        return None
    tags = (part.strip() for value in values for part in value.split(","))
    return [tag.strip('"') for tag in tags if tag and not tag.startswith("W/")]
