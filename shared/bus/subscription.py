"""One Redis connection that stays subscribed.

redis-py's own `PubSub` reconnects silently, which hides losses. This drives one plain connection:
every error surfaces here and ends in a new subscription, which the handler is told about.
"""

import asyncio
import logging
import random
from typing import Protocol

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.bus.client import pubsub_client

log = logging.getLogger(__name__)

PING_AFTER_S = 5.0
"""Silence after which the peer is asked for a sign of life."""
DEAD_AFTER_S = 15.0
"""Silence after which the connection counts as dead, though the kernel has not said so."""
BACKOFF_S = (0.05, 2.0)


class Handler(Protocol):
    """Called on the event loop; must neither wait nor raise."""

    def on_subscribed(self) -> None:
        """Every channel is confirmed: from now on messages arrive."""

    def on_pattern(self) -> None:
        """The pattern is confirmed."""

    def on_lost(self) -> None:
        """The connection is gone; what is published now is missed."""

    def on_message(self, channel: str, data: bytes) -> None: ...
    def on_pattern_message(self, data: bytes, /) -> None: ...


class Subscription:
    """Some channels all the time; one pattern, and further channels, on demand."""

    def __init__(
        self, url: str, name: str, channels: tuple[str, ...], pattern: str, handler: Handler
    ) -> None:
        self._url = url
        self._name = name
        self._channels = channels
        self._pattern = pattern
        self._handler = handler
        self._connection: AbstractConnection | None = None
        self._confirmed: set[bytes] = set()
        self._pattern_wanted = False
        self._pattern_sent = False
        self._on_demand: set[str] = set()
        self._senders: set[asyncio.Task[None]] = set()
        self._failures = 0

    async def run(self) -> None:
        """Stay subscribed until cancelled."""
        while True:
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if self._failures == 0:
                    log.warning("Redis subscription lost, reconnecting: %s", error)
            low, high = BACKOFF_S
            delay = min(high, low * 2 ** min(self._failures, 10))
            self._failures += 1
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def want_pattern(self, wanted: bool) -> None:
        """Subscribe to the pattern, or no longer; on this connection and every later one."""
        self._pattern_wanted = wanted
        self._match_pattern()

    def want_channel(self, channel: str, wanted: bool) -> None:
        """Subscribe to one more channel, or no longer; on this connection and every later one."""
        if wanted == (channel in self._on_demand):
            return
        (self._on_demand.add if wanted else self._on_demand.discard)(channel)
        self._spawn_send("SUBSCRIBE" if wanted else "UNSUBSCRIBE", channel)

    async def _session(self) -> None:
        client = pubsub_client(self._url, self._name)
        try:
            pool = client.connection_pool
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]
            try:
                self._connection = connection
                # check_health would read a reply, and on this connection any frame may come first.
                await connection.send_command("SUBSCRIBE", *self._channels, check_health=False)
                self._match_pattern()
                if self._on_demand:
                    self._spawn_send("SUBSCRIBE", *self._on_demand)
                await self._read_frames(connection)
            finally:
                self._connection = None
                self._pattern_sent = False
                self._confirmed.clear()
                self._handler.on_lost()
                await connection.disconnect(nowait=True)
        finally:
            await client.aclose(close_connection_pool=True)

    async def _read_frames(self, connection: AbstractConnection) -> None:
        clock = asyncio.get_running_loop().time
        heard = clock()
        while True:
            frame = await connection.read_response(timeout=PING_AFTER_S)
            if frame is None:
                if clock() - heard > DEAD_AFTER_S:
                    raise RedisConnectionError("Redis does not answer on the subscription")
                await connection.send_command("PING", check_health=False)
                continue
            heard = clock()
            self._on_frame(frame)

    def _on_frame(self, frame: list[bytes]) -> None:
        kind = frame[0]
        if kind == b"pmessage":
            self._handler.on_pattern_message(frame[3])
        elif kind == b"message":
            self._handler.on_message(frame[1].decode("utf-8", "replace"), frame[2])
        elif kind == b"subscribe":
            self._on_confirmed(frame[1])
        elif kind == b"psubscribe":
            self._handler.on_pattern()

    def _on_confirmed(self, channel: bytes) -> None:
        if channel.decode("utf-8", "replace") not in self._channels:
            return  # on demand
        if channel in self._confirmed:
            # A second confirmation: the connection below was replaced and messages may be lost.
            raise RedisConnectionError("the subscription was replaced")
        self._confirmed.add(channel)
        if len(self._confirmed) == len(self._channels):
            if self._failures > 0:
                log.info("Redis subscription is back.")
            self._failures = 0
            self._handler.on_subscribed()

    def _match_pattern(self) -> None:
        if self._connection is None or self._pattern_wanted == self._pattern_sent:
            return
        self._pattern_sent = self._pattern_wanted
        verb = "PSUBSCRIBE" if self._pattern_wanted else "PUNSUBSCRIBE"
        self._spawn_send(verb, self._pattern)

    def _spawn_send(self, verb: str, *names: str) -> None:
        if self._connection is None:
            return
        task = asyncio.create_task(self._send(self._connection, verb, *names))
        self._senders.add(task)
        task.add_done_callback(self._senders.discard)

    async def _send(self, connection: AbstractConnection, verb: str, *names: str) -> None:
        if not connection.is_connected:  # it would connect by itself, unsubscribed
            return
        try:
            await connection.send_command(verb, *names, check_health=False)
        except (RedisError, OSError) as error:
            log.debug("%s failed, the reader will notice: %s", verb, error)
