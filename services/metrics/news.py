"""What the supervisor says: who runs under which pid, and what is to be measured.

Events are edges. States and configuration are read again at every new subscription, and now and
then without a reason.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.metrics.options import Options, parse_options
from services.metrics.processes import Running
from services.metrics.watched import Watched, watched_services
from shared.bus.keys import Keys
from shared.bus.services import read_all_services
from shared.config.pages import config_of
from shared.models.service import ServiceState

_log = logging.getLogger(__name__)

REREAD_EVERY_S: Final = 30.0
RETRY_S: Final = 0.3
API_KEY: Final = "dumb_api_service"


class News:
    """The handler of the collector's subscription; `run` does the reading."""

    def __init__(self, redis: Redis, keys: Keys, on_pids: Callable[[], None]) -> None:
        self.options = Options()
        self.watched: dict[str, Watched] = {}
        self.on_request: Callable[[bytes], None] = _ignored
        self.known = asyncio.Event()
        """Set once a configuration was read."""
        self._redis = redis
        self._keys = keys
        self._on_pids = on_pids
        self._states: dict[str, ServiceState] = {}
        self._heard: dict[str, ServiceState] = {}
        """Events since the last read began."""
        self._stale = asyncio.Event()

    def running(self) -> list[Running]:
        """Services with a process, in the order of their starts; not the API's own entry."""
        found = [
            Running(state.process_name, state.pid, state.started_at or 0.0)
            for state in self._states.values()
            if state.alive and state.pid and state.config_key != API_KEY
        ]
        return sorted(found, key=lambda running: (running.started_at, running.name))

    async def run(self) -> None:
        """Read whenever something asks for it, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(REREAD_EVERY_S):
                    await self._stale.wait()
            except TimeoutError:
                _log.debug("nothing was heard for a while: reading again")
            self._stale.clear()
            try:
                await self.read()
            except (RedisError, OSError) as error:
                _log.debug("reading states and configuration failed: %s", error)
                await asyncio.sleep(RETRY_S)
                self._stale.set()

    async def read(self) -> None:
        """States and configuration of now. Raises what redis-py raises."""
        await self._read_config()
        self._heard = {}
        states = await read_all_services(self._redis, self._keys)
        for name, event in self._heard.items():  # newer than what was read
            if name not in states or states[name].seq < event.seq:
                states[name] = event
        self._adopt(states)

    async def _read_config(self) -> None:
        data = cast("bytes | None", await self._redis.get(self._keys.config))
        if data is None:
            return
        try:
            effective = config_of(orjson.loads(data)["effective"])
            self.options, self.watched = parse_options(effective), watched_services(effective)
            self.known.set()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            _log.error("the published configuration is unreadable: %r", error)

    def _adopt(self, states: dict[str, ServiceState]) -> None:
        before = self.running()
        self._states = states
        if self.running() != before:
            self._on_pids()

    # -- the subscription's handler ----------------------------------------------------------

    def on_subscribed(self) -> None:
        self._stale.set()

    def on_pattern(self) -> None:
        return

    def on_lost(self) -> None:
        return

    def on_message(self, channel: str, data: bytes) -> None:
        if channel == self._keys.config_changed:
            self._stale.set()
        elif channel == self._keys.status:
            self._on_status(data)
        else:
            self.on_request(data)

    def on_pattern_message(self, _data: bytes, /) -> None:
        return

    def _on_status(self, data: bytes) -> None:
        try:
            tree: Any = orjson.loads(data)
            if tree.get("resync") is True:
                self._stale.set()
                return
            state = ServiceState.from_mapping(tree)
        except (ValueError, TypeError, AttributeError):
            return  # somebody else's words on this channel
        self._heard[state.process_name] = state
        known = self._states.get(state.process_name)
        if known is None or state.seq > known.seq:
            self._adopt({**self._states, state.process_name: state})
        else:
            self._stale.set()  # older than what we know, or the count began anew


def _ignored(_data: bytes) -> None:
    """Nobody answers requests yet."""
