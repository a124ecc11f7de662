"""Receipts that requests of this replica wait for."""

import asyncio
from dataclasses import dataclass

from services.api.command_errors import ReplicaEndsError
from shared.models.command import Receipt


@dataclass(slots=True)
class _Waiting:
    future: asyncio.Future[Receipt]
    users: int = 0


class Awaited:
    """Futures by command id; several requests may wait for the same command."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, command_id: str) -> asyncio.Future[Receipt]:
        """A future for the command's final receipt. Cancelling it hurts no other waiter.

        Every call is paired with one `forget`.
        """
        waiting = self._waiting.get(command_id)
        if waiting is None:
            waiting = _Waiting(asyncio.get_running_loop().create_future())
            self._waiting[command_id] = waiting
        waiting.users += 1
        return asyncio.shield(waiting.future)

    def forget(self, command_id: str) -> None:
        """One waiter is done. Unknown ids are fine."""
        waiting = self._waiting.get(command_id)
        if waiting is None:
            return
        waiting.users -= 1
        if waiting.users <= 0:
            del self._waiting[command_id]
            waiting.future.cancel()

    def abandon(self) -> None:
        """This replica ends: whoever waits gets `ReplicaEndsError`. The commands go on."""
        for command_id, waiting in self._waiting.items():
            if not waiting.future.done():
                waiting.future.set_exception(ReplicaEndsError(command_id))

    def open_ids(self) -> list[str]:
        """Ids whose outcome is not known yet."""
        return [key for key, waiting in self._waiting.items() if not waiting.future.done()]

    def resolve(self, receipt: Receipt) -> bool:
        """Hand a receipt to whoever waits; only the first final one counts."""
        waiting = self._waiting.get(receipt.id)
        if waiting is None or waiting.future.done() or not receipt.status.final:
            return False
        waiting.future.set_result(receipt)
        return True
