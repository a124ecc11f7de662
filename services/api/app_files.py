"""Application configuration files, which lie on the supervisor's host: it reads and writes them."""

import logging
from typing import Any, Final, cast

import orjson
from fastapi import HTTPException
from redis.asyncio import Redis

from services.api.commands import CommandService, Order
from shared.bus.keys import Keys
from shared.errors import DumbError
from shared.models.app_config import FileFault
from shared.models.command import MAX_ARGS_BYTES, Action, CommandStatus, Receipt

_log = logging.getLogger(__name__)

WAIT_S: Final = 60.0
"""A file takes milliseconds; a YAML file of 4 MiB, or many files at once, take longer."""

STATUS_OF: Final = {
    FileFault.UNKNOWN_SERVICE: 404,
    FileFault.MISSING: 404,
    FileFault.NOT_NAMED: 400,
    FileFault.OUTSIDE: 400,
    FileFault.UNSUPPORTED: 400,
    FileFault.BAD_CONTENT: 400,
    FileFault.BAD_UPDATE: 400,
    FileFault.CHANGED: 409,
    FileFault.TOO_LARGE: 413,
    FileFault.DISK: 500,
}


class AnswerGoneError(DumbError):
    """The supervisor has read the file, but what it read did not get here."""

    code = "answer_gone"


class AppFileCommands:
    """The only way in which the API touches an application's file."""

    def __init__(self, redis: Redis, keys: Keys, commands: CommandService) -> None:
        self._redis = redis
        self._keys = keys
        self._commands = commands

    async def read(self, process_name: str, actor: str) -> bytes:
        """The answer as JSON. It may hold secrets.

        Raises:
            HTTPException: the supervisor says why not.
            AnswerGoneError: ask again.
            SupervisorAwayError, UnknownServiceError, StillRunningError: as for any command.
        """
        receipt = await self._carry_out(Action.READ_APP_CONFIG, process_name, actor, {})
        _raise_unless_done(receipt)
        key = self._keys.answer(receipt.id)
        answer = cast("bytes | None", await self._redis.getdel(key))
        if answer is None:
            raise AnswerGoneError("The file was read, but its content did not arrive. Ask again.")
        return answer

    async def update(self, process_name: str, actor: str, updates: Any) -> bool:
        """Whether the file is another one now. Raises like `read`."""
        args = {"updates": updates}
        try:
            size = len(orjson.dumps(args))
        except TypeError:
            raise HTTPException(400, "updates is nested too deeply.") from None
        if size > MAX_ARGS_BYTES:
            raise HTTPException(413, f"updates has more than {MAX_ARGS_BYTES >> 20} MiB.")
        receipt = await self._carry_out(Action.UPDATE_APP_CONFIG, process_name, actor, args)
        _raise_unless_done(receipt)
        return (receipt.result or {}).get("changed") is not False

    async def _carry_out(
        self, action: Action, process_name: str, actor: str, args: dict[str, Any]
    ) -> Receipt:
        order = Order(action, process_name, actor, args=args, budget_s=WAIT_S, expires_s=WAIT_S)
        return await self._commands.place(order)


def _raise_unless_done(receipt: Receipt) -> None:
    if receipt.status is CommandStatus.SUCCEEDED:
        return
    if receipt.status is CommandStatus.EXPIRED:
        raise HTTPException(503, receipt.detail, {"retry-after": "1"})
    fault = (receipt.result or {}).get("fault")
    status = next((code for kind, code in STATUS_OF.items() if kind == fault), 500)
    if status == 500:
        _log.error("%s of %.200r: %s", receipt.action, receipt.process_name, receipt.detail)
    raise HTTPException(status, receipt.detail)
