"""Changes of the configuration: sent to the supervisor, answered when every replica sees them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from fastapi import HTTPException

from services.api.asked import Asked
from services.api.commands import CommandService, Order, failed_with
from shared.config.services import ServiceBlock
from shared.errors import DumbError
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
    Refusal.TOO_LARGE: 413,
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

    def __init__(self, commands: CommandService) -> None:
        self._commands = commands

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
        order = Order(
            Action.UPDATE_CONFIG,
            "",
            asked.actor,
            asked.key,
            asked.owner,
            location=asked.location,
            args=args,
            budget_s=WAIT_S,
            expires_s=WAIT_S,
        )
        return _outcome(await self._commands.place(order))

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
