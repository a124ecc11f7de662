"""What a supervisor says on the bus, said by a test."""

from typing import Any

import orjson
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from shared.bus.accounts import publish_accounts
from shared.bus.keys import Keys
from shared.bus.scripts import LOG_APPEND, RECEIPT, STATUS
from shared.logformat import display_time
from shared.models.account import AuthSettings
from shared.models.command import CommandStatus, Receipt
from shared.models.log import LogChunk, chunk_header
from shared.models.service import ServiceState
from shared.states import ServiceStatus
from tests.support.claim import VALUE, held_fence

EPOCH = 1_790_000_000.0


async def open_accounts(redis: Redis, keys: Keys) -> None:
    """What a supervisor publishes before there are users: authentication is off."""
    settings = AuthSettings(1, enabled=False, setup_skipped=False, mode="local", users=0)
    fence = await held_fence(redis, keys)
    await publish_accounts(redis, keys, fence, settings, secret="s" * 43, accounts=[], tokens=[])


class FakeSupervisor:
    """Publishes states, receipts and log chunks with the real scripts."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self.redis = redis
        self.keys = keys
        self.states: dict[str, ServiceState] = {}
        self.sizes: dict[str, int] = {}
        self._status = redis.register_script(STATUS)
        self._receipt = redis.register_script(RECEIPT)
        self._append = redis.register_script(LOG_APPEND)

    async def state(self, name: str, status: ServiceStatus, **changes: Any) -> ServiceState:
        """Change a service's state: the next `seq`, hash and event in one step."""
        old = self.states.get(name) or ServiceState(name)
        changes.setdefault("seq", old.seq + 1)
        new = old.with_(status=status, **changes)
        self.states[name] = new
        fields = orjson.dumps(new.to_hash())
        keys = [self.keys.service(name), self.keys.services]
        await self.write(self._status, keys, [self.keys.status, new.to_json(), name, fields])
        return new

    async def write(self, script: AsyncScript, keys: list[str], args: list[Any]) -> None:
        """Under the claim, which a test that wipes Redis takes away."""
        await self.redis.set(self.keys.claim, VALUE)
        await script(keys=[*keys, self.keys.claim], args=[*args, VALUE])

    async def running(self, name: str, started_at: float = EPOCH, **changes: Any) -> ServiceState:
        """A healthy running service."""
        changes = {"health": "healthy", "health_reason": "", "started_at": started_at} | changes
        return await self.state(name, ServiceStatus.RUNNING, **changes)

    async def write_hash(self, state: ServiceState) -> None:
        """Change the hash alone, as if the event was lost."""
        items = [part for pair in state.to_hash().items() for part in pair]
        await self.redis.hset(self.keys.service(state.process_name), items=list(items))

    async def finish(
        self, command_id: str, status: CommandStatus = CommandStatus.SUCCEEDED
    ) -> None:
        """Write and announce a receipt."""
        receipt = Receipt(id=command_id, status=status, created_at=EPOCH)
        fields = orjson.dumps(receipt.to_hash())
        args: list[Any] = [60, self.keys.command_results, receipt.to_json(), fields]
        await self.write(
            self._receipt, [self.keys.command(command_id), self.keys.command_counts], args
        )

    async def log(
        self,
        log_name: str,
        texts: list[str],
        *,
        process_name: str | None = None,
        level: str = "INFO",
        at: float = EPOCH,
        generation: str = "g1",
        publish: bool = True,
        quiet: bool = False,
        live: bool = True,
        keep: int = 2 << 20,
    ) -> LogChunk:
        """Append display lines to a log, as one chunk."""
        name = process_name or log_name
        prefix = f"{display_time(at)} - {level} - {name} subprocess: "
        data = "".join(f"{prefix}{text}\n" for text in texts).encode()
        start = self.sizes.get(log_name, 0)
        chunk = LogChunk(log_name, name, generation, start, start + len(data), data, quiet, live)
        self.sizes[log_name] = chunk.end
        await self.append(chunk, publish=publish, keep=keep)
        return chunk

    async def append(self, chunk: LogChunk, *, publish: bool = True, keep: int = 2 << 20) -> None:
        """Append a chunk as it is."""
        channel = self.keys.log_channel(chunk.log_name) if publish else ""
        await self.write(
            self._append,
            [self.keys.log(chunk.log_name), self.keys.logmeta(chunk.log_name)],
            [
                f"{chunk.end}-0",
                chunk.data,
                f"{max(0, chunk.end - keep)}-0",
                chunk.generation,
                chunk.end,
                channel,
                chunk_header(chunk),
            ],
        )
