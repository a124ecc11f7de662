"""Changes of accounts: sent to the supervisor, answered when it has made them."""

import asyncio
import time
from typing import Any, Final

from redis.asyncio import Redis

from services.api.auth.errors import ChangeRefusedError
from services.api.bridge import Bridge
from services.api.command_errors import StillRunningError
from shared.bus.commands import CommandWriter, new_command_id
from shared.bus.keys import Keys
from shared.models.account_change import AccountOp, Refusal
from shared.models.command import Action, CommandStatus, Receipt

WAIT_S: Final = 15.0
"""A change takes milliseconds; what is left is for a slow disk."""

_STATUS: Final = {
    Refusal.BAD_NAME: 422,
    Refusal.BAD_INPUT: 422,
    Refusal.NOT_ALLOWED: 403,
    Refusal.UNKNOWN_TOKEN: 404,
    Refusal.CHANGED: 409,
    Refusal.UNAVAILABLE: 503,
}
"""Everything else that is refused is a 400, as in the original."""


class AccountChanges:
    """The only way in which the API changes an account."""

    def __init__(self, redis: Redis, keys: Keys, bridge: Bridge) -> None:
        self._bridge = bridge
        self._writer = CommandWriter(redis, keys)

    async def make(
        self, op: AccountOp, *, by: str | None, address: str = "", **fields: Any
    ) -> None:
        """Return when the change is made, and every replica can see it.

        Args:
            by: the user on whose authority it happens, None for nobody's.

        Raises:
            ChangeRefusedError: the supervisor refused, or could not write.
            SupervisorAwayError: nobody is there to make it.
            StillRunningError: no outcome yet; it may still be made.
        """
        command_id = new_command_id()
        future = self._bridge.expect(command_id)
        try:
            await self._writer.submit(
                Action.UPDATE_ACCOUNTS,
                "",
                command_id=command_id,
                actor=f"{by or 'anonymous'}@{address}",
                source="api",
                args={"op": op.value, **({"by": by} if by is not None else {}), **fields},
                expires_at_ms=int((time.time() + WAIT_S) * 1000),
            )
            done, _ = await asyncio.wait({future}, timeout=WAIT_S)
            if not done:
                location = f"/process/commands/{command_id}"
                raise StillRunningError(command_id, location, WAIT_S)
            _raise_unless_done(future.result(), anonymous=by is None)
        finally:
            self._bridge.forget(command_id)


def _raise_unless_done(receipt: Receipt, *, anonymous: bool) -> None:
    if receipt.status is CommandStatus.SUCCEEDED:
        return
    code = (receipt.result or {}).get("code", "")
    if receipt.status is CommandStatus.REJECTED:
        status = _STATUS.get(code, 400)
        if status == 403 and anonymous:
            status = 401  # somebody else was first, and now there is a user to be
        raise ChangeRefusedError(status, receipt.detail)
    if code == Refusal.UNAVAILABLE or receipt.status is CommandStatus.EXPIRED:
        raise ChangeRefusedError(503, receipt.detail)
    raise ChangeRefusedError(500, receipt.detail)
