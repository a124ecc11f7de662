"""Where the state lies: hashes in Redis, and the original's file beside the configuration.

Redis is written at every change, so a killed cycle forgets nothing that it did. The file follows
at the end of a cycle; it is read when Redis knows nothing, which is how an original's state
arrives, and how ours comes back.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import orjson
from redis.asyncio import Redis

from services.jobs.seerr.state import Failure, SyncState
from shared.bus.keys import Keys
from shared.config.document import load_document, save_document
from shared.errors import ConfigError
from shared.models.seerr import failure_key

_log = logging.getLogger(__name__)

FILE_NAME: Final = "seerr_sync_state.json"
MAX_BYTES: Final = 64 << 20
"""Of the file: some 200,000 titles with two copies each."""
CHUNK: Final = 2000


def state_file(config_path: Path) -> Path:
    """`/config/seerr_sync_state.json` where the configuration is `/config/dumb_config.json`."""
    return config_path.with_name(FILE_NAME)


class Store:
    """Reads and writes. Everything raises what redis-py raises while Redis is away."""

    def __init__(self, redis: Redis, keys: Keys, file: Path) -> None:
        self._redis = redis
        self._keys = keys
        self._file = file

    async def load(self) -> SyncState:
        """What is known; from the file when Redis knows nothing."""
        keys = self._keys
        meta = await self._hash(keys.seerr_meta)
        if not meta:
            return await self._import()
        state = SyncState(
            last_poll=_text(meta.get(b"last_poll_ts", b"")),
            primary=_text(meta.get(b"primary", b"")),
        )
        for key, value in (await self._hash(keys.seerr_requests)).items():
            state.load_entry(_text(key), _tree(value))
        for key, value in (await self._hash(keys.seerr_failed)).items():
            failure = Failure.from_tree(_tree(value))
            if failure is not None:
                state.failures[_text(key)] = failure
        return state

    async def save_title(self, state: SyncState, fingerprint: str, label: str) -> None:
        """One title at one subordinate: the entry and its failure."""
        keys, name = self._keys, failure_key(fingerprint, label)
        entry, failure = state.entry(fingerprint), state.failures.get(name)
        async with self._redis.pipeline(transaction=True) as pipe:
            if entry is None:
                pipe.hdel(keys.seerr_requests, fingerprint)
            else:
                pipe.hset(keys.seerr_requests, fingerprint, _dump(entry))
            if failure is None:
                pipe.hdel(keys.seerr_failed, name)
            else:
                pipe.hset(keys.seerr_failed, name, _dump(failure.to_tree()))
            pipe.hset(keys.seerr_meta, "unsaved", "1")
            await pipe.execute()

    async def drop_failures(self, names: list[str]) -> None:
        """Failures of titles that nobody wants any more."""
        if names:
            await self._redis.hdel(self._keys.seerr_failed, *names)

    async def set_meta(self, fields: Mapping[str, str]) -> None:
        await self._redis.hset(self._keys.seerr_meta, mapping=cast("dict[Any, Any]", fields))

    async def get_meta(self) -> dict[str, str]:
        return {_text(k): _text(v) for k, v in (await self._hash(self._keys.seerr_meta)).items()}

    async def count(self, numbers: Mapping[str, int]) -> None:
        """Add to the counters."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, number in numbers.items():
                if number:
                    pipe.hincrby(self._keys.seerr_counters, name, number)
            await pipe.execute()

    async def mirror(self, state: SyncState) -> bool:
        """Write the file if something changed since; whether it was written.

        Raises:
            ConfigError: it cannot be written; Redis has it all the same.
        """
        meta = await self.get_meta()
        if meta.get("unsaved") != "1" and self._file.exists():
            return False
        save_document(self._file, state.to_file(), private=True, indent=2, max_bytes=MAX_BYTES)
        await self.set_meta({"unsaved": "0"})
        return True

    async def _import(self) -> SyncState:
        state = self._read_file()
        keys = self._keys
        entries = {fp: _dump(state.entry(fp)) for fp in state.copies}
        failures = {key: _dump(f.to_tree()) for key, f in state.failures.items()}
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(keys.seerr_requests, keys.seerr_failed)
            for name, fields in ((keys.seerr_requests, entries), (keys.seerr_failed, failures)):
                items = list(fields.items())
                for start in range(0, len(items), CHUNK):
                    part: dict[Any, Any] = dict(items[start : start + CHUNK])
                    pipe.hset(name, mapping=part)
            pipe.hset(
                keys.seerr_meta,
                mapping={
                    "imported_at": str(time.time()),
                    "last_poll_ts": state.last_poll,
                    "synced": _dump(state.synced()),
                },
            )
            await pipe.execute()
        if state.copies:
            _log.info("took over %d requests from %s", len(state.copies), self._file)
        return state

    def _read_file(self) -> SyncState:
        try:
            return SyncState.from_file(load_document(self._file, max_bytes=MAX_BYTES))
        except ConfigError as error:
            if self._file.exists():
                # What is there already is found by its title: nothing is made twice.
                aside = self._file.with_name(f"{FILE_NAME}.unreadable")
                self._file.replace(aside)
                _log.warning("%s; it is kept as %s", error, aside.name)
            return SyncState()

    async def _hash(self, key: str) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", await self._redis.hgetall(key))


def _dump(tree: Any) -> bytes:
    return orjson.dumps(tree)


def _tree(value: bytes) -> Any:
    try:
        return orjson.loads(value)
    except ValueError:
        return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
