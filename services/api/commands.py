"""From a request to the outcome of a command: submit once, wait for the receipt."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from services.api.bridge import Bridge
from services.api.command_errors import KeyReusedError, ReceiptError, StillRunningError
from services.api.configuration import ConfigAwayError, ConfigReader, Published
from shared.bus.client import BUS_ERRORS
from shared.bus.commands import CommandWriter, new_command_id, read_receipt, read_request
from shared.bus.keys import Keys
from shared.bus.refusals import refusal_of
from shared.config.dependencies import dependencies
from shared.config.names import nearest
from shared.config.services import ServiceBlock
from shared.config.timing import start_budget_s, stop_budget_s
from shared.errors import BusUnavailableError, UnknownServiceError
from shared.models.command import ID_PATTERN, Action, CommandStatus, Receipt
from shared.models.service import ServiceState
from shared.states import ServiceStatus

_log = logging.getLogger(__name__)

MARGIN_S: Final = 10.0
"""What a command gets beyond the service's own budget (docs/protocol.md)."""

QUICK_S: Final = 1.0
"""Most commands are over by then; only for the others the budget is looked up."""

LONGEST_NAME: Final = 200
"""Of a process name (docs/configuration.md)."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a client wants. `key` is its `Idempotency-Key`, if it sent one, among those of `owner`.

    `location` leads to the receipt: a path that ends in `/`, to which the id is added. With `args`
    it is about several services or none, or needs more than a name; then `budget_s` is how long its
    answer may take, and `expires_s` after how long it is not begun any more.
    """

    action: Action
    process_name: str
    actor: str
    key: str | None = None
    owner: str = "api"
    wait: bool = True
    location: str = "/process/commands/"
    args: Mapping[str, Any] | None = None
    budget_s: float = 0.0
    expires_s: float | None = None

    @property
    def request(self) -> str:
        """Tells its args from others under the same key. Without the key nobody can guess them."""
        if self.key is None or self.args is None:
            return ""
        data = orjson.dumps(dict(self.args), option=orjson.OPT_SORT_KEYS)
        return hmac.new(self.key.encode(), data, "sha256").hexdigest()


class CommandService:
    """Places orders. Holds nothing: any replica gives the same answer."""

    def __init__(self, redis: Redis, keys: Keys, bridge: Bridge, config: ConfigReader) -> None:
        self._redis = redis
        self._keys = keys
        self._bridge = bridge
        self._config = config
        self._writer = CommandWriter(redis, keys)

    async def place(self, order: Order) -> Receipt:
        """The receipt: final when `order.wait`, else as it is now.

        Raises:
            UnknownServiceError: no service of exactly this name; it carries the nearest one.
            SupervisorAwayError, BusUnavailableError: nobody would carry it out now.
            KeyReusedError: the key belongs to another request.
            StillRunningError: the budget has passed.
            ReceiptError: somebody wrote nonsense over the receipt.
        """
        name = order.process_name
        if (not name and order.args is None) or len(name) > LONGEST_NAME:
            raise await self._unknown(name)
        command_id = new_command_id() if order.key is None else keyed_id(order.key, order.owner)
        if not order.wait:
            return await self._submit(order, command_id)
        future = self._bridge.expect(command_id)
        try:
            receipt = await self._submit(order, command_id)
            if receipt.status.final:
                return receipt
            return await self._outcome(order, command_id, future)
        finally:
            self._bridge.forget(command_id)

    async def receipt(self, command_id: str) -> Receipt | None:
        """The receipt of a command, None when there is none (any more). Raises `ReceiptError`."""
        if ID_PATTERN.fullmatch(command_id) is None:
            return None
        try:
            return await read_receipt(self._redis, self._keys, command_id)
        except (ValueError, TypeError) as error:
            raise ReceiptError(f"The receipt of {command_id} is unreadable.") from error
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            raise ReceiptError(f"The key of command {command_id} holds no receipt.") from error

    async def _submit(self, order: Order, command_id: str) -> Receipt:
        """Queue it, or find what its id stands for already."""
        action, name = order.action, order.process_name
        expires_at = None if order.expires_s is None else time.time() + order.expires_s
        try:
            queued = await self._writer.submit(
                action,
                name,
                command_id=command_id,
                actor=order.actor,
                source="api",
                args=None if order.args is None else dict(order.args),
                expires_at_ms=None if expires_at is None else int(expires_at * 1000),
                request=order.request,
            )
        except UnknownServiceError:
            raise await self._unknown(name) from None
        except BUS_ERRORS as error:
            if refusal_of(error):
                raise  # it was certainly not queued
            _log.warning("%s %.200r: Redis: %s", action, name, error)
            raise BusUnavailableError(
                "Redis did not answer, so it is not known whether the command was queued: if it "
                f"was, {order.location}{command_id} shows it."
            ) from error
        if queued:
            return Receipt(id=command_id, action=action, process_name=name)
        known = await self.receipt(command_id)
        if known is None:  # it ended and was dropped in this very moment
            raise ReceiptError(f"The receipt of {command_id} is gone; use another key.")
        same = (known.action, known.process_name) == (action.value, name)
        if not same or await read_request(self._redis, self._keys, command_id) != order.request:
            before = f"{known.action} {known.process_name}".strip()
            raise KeyReusedError(
                f"This Idempotency-Key was used for another '{before}'. "
                "Another request needs another key."
            )
        return known

    async def _outcome(
        self, order: Order, command_id: str, future: "asyncio.Future[Receipt]"
    ) -> Receipt:
        done, _ = await asyncio.wait({future}, timeout=QUICK_S)
        if not done:
            budget = await self._budget(order)
            done, _ = await asyncio.wait({future}, timeout=max(0.0, budget - QUICK_S))
            if not done:
                raise StillRunningError(command_id, order.location + command_id, budget)
        return future.result()

    async def _budget(self, order: Order) -> float:
        """Seconds that the supervisor may need, and the margin."""
        if order.args is not None:
            return order.budget_s
        try:
            published: Published | None = await self._config.read()
        except (ConfigAwayError, RedisError, OSError):
            published = self._config.peek()
        service = published.by_name.get(order.process_name) if published else None
        state = self._bridge.states.get(order.process_name)
        stopping = state is not None and state.status is ServiceStatus.STOPPING
        needs = 0.0
        if published is not None and order.action is not Action.STOP:
            needs = needs_budget_s(published, order.process_name, self._bridge.states)
        return needs + budget_s(order.action, service, stopping=stopping)

    async def _unknown(self, name: str) -> UnknownServiceError:
        members = cast("set[bytes]", await self._redis.smembers(self._keys.services))
        names = sorted(member.decode("utf-8", "replace") for member in members)
        return UnknownServiceError(name, nearest(names, name))


def budget_s(action: Action, service: ServiceBlock | None, *, stopping: bool = False) -> float:
    """How long an answer may take. `stopping`: a stop is under way, which a start waits for."""
    start, stop = start_budget_s(service), stop_budget_s(service)
    if action is Action.STOP:
        return stop + MARGIN_S
    if action is Action.START and not stopping:
        return start + MARGIN_S
    return stop + start + MARGIN_S


def needs_budget_s(published: Published, name: str, states: Mapping[str, ServiceState]) -> float:
    """How long it may take until everything is ready that a service needs."""

    def cost(other: str) -> float:
        state = states.get(other)
        up = state is not None and (state.status is ServiceStatus.RUNNING or state.completed)
        return 0.0 if up else start_budget_s(published.by_name.get(other))

    return dependencies(published.effective).longest_way(name, cost)


def keyed_id(key: str, owner: str) -> str:
    """The command id of an `Idempotency-Key`: the same on every replica, another for each owner."""
    digest = hashlib.sha256(f"{len(owner)}:{owner}{key}".encode("utf-8", "replace"))
    return f"key-{digest.hexdigest()}"


def failed_with(receipt: Receipt) -> int | None:
    """The HTTP status of a final receipt that is no success, else None."""
    return {
        CommandStatus.FAILED: 500,
        CommandStatus.REJECTED: 409,
        CommandStatus.CANCELLED: 409,
        CommandStatus.EXPIRED: 503,
    }.get(receipt.status)
