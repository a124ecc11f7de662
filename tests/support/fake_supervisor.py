"""A supervisor without processes: reads `dumb:commands` and answers with the real scripts."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from shared.bus.keys import Keys
from shared.bus.scripts import RECEIPT
from shared.config.pages import config_of
from shared.config.services import walk_services
from shared.models.command import CommandStatus, Receipt
from shared.models.service import ServiceState
from shared.states import Desired, ServiceStatus
from tests.support.bus import FakeSupervisor, open_accounts

HEARTBEAT = {"node": "test", "version": "0", "pid": "1", "boot_id": "b", "started_at": "1"}


@dataclass
class Seen:
    """One entry of the stream."""

    id: str
    action: str
    process_name: str
    actor: str
    source: str


@dataclass
class ScriptedSupervisor:
    """Carries out every command at once, unless a test says otherwise.

    `verdicts`: outcome by process name, and `results` of the receipts. `gates`: a command for this
    name waits for the event.
    """

    redis: Redis
    keys: Keys
    verdicts: dict[str, tuple[CommandStatus, str]] = field(default_factory=dict)
    results: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bus = FakeSupervisor(self.redis, self.keys)
        self._receipt = self.redis.register_script(RECEIPT)
        self._jobs: set[asyncio.Task[None]] = set()

    async def appear(self, phase: str = "ready") -> None:
        """Be there: a heartbeat that lasts as long as the test."""
        fields: dict[Any, Any] = {**HEARTBEAT, "heartbeat_at": str(time.time()), "phase": phase}
        await self.redis.hset(self.keys.supervisor, mapping=fields)
        await open_accounts(self.redis, self.keys)

    async def vanish(self) -> None:
        """Be gone: the heartbeat has run out."""
        await self.redis.delete(self.keys.supervisor)

    async def publish_config(self, tree: dict[str, Any], version: int = 1) -> None:
        """Publish a configuration, and a stopped state for every service in it."""
        data = orjson.dumps({"file": tree, "effective": tree})
        pipe = self.redis.pipeline(transaction=True)
        pipe.set(self.keys.config, data)
        pipe.set(self.keys.config_version, version)
        await pipe.execute()
        for service in walk_services(config_of(tree)):
            if service.process_name not in self.bus.states:
                await self.bus.state(
                    service.process_name,
                    ServiceStatus.STOPPED,
                    enabled=service.enabled,
                    config_key=service.config_key,
                    instance=service.instance,
                )

    async def run(self) -> None:
        """Read commands until cancelled."""
        last: bytes | str = "0"
        while True:
            found = await self.redis.xread({self.keys.commands: last}, block=1000)
            for _stream, entries in cast("list[Any]", found or []):
                for entry_id, fields in entries:
                    last = entry_id
                    self._begin({k.decode(): v.decode() for k, v in fields.items()})

    def _begin(self, fields: dict[str, str]) -> None:
        seen = Seen(*(fields[f] for f in ("id", "action", "process_name", "actor", "source")))
        self.seen.append(seen)
        task = asyncio.get_running_loop().create_task(self._carry_out(seen))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _carry_out(self, seen: Seen) -> None:
        name = seen.process_name
        receipt = Receipt(
            id=seen.id,
            action=seen.action,
            process_name=name,
            actor=seen.actor,
            source=seen.source,
            status=CommandStatus.RUNNING,
            created_at=time.time(),
            started_at=time.time(),
            steps=[(time.time(), "accepted"), (time.time(), "claimed")],
        )
        await self.tell(receipt)
        if name in self.gates:
            await self.gates[name].wait()
        status, detail = self.verdicts.get(name, (CommandStatus.SUCCEEDED, "done"))
        receipt.result = self.results.get(name)
        if status is CommandStatus.SUCCEEDED:
            await self._change(seen)
        receipt.status, receipt.detail, receipt.finished_at = status, detail, time.time()
        receipt.steps.append((time.time(), status.value))
        await self.tell(receipt)

    async def _change(self, seen: Seen) -> None:
        if seen.action == "stop":
            old = self.bus.states.get(seen.process_name) or ServiceState(seen.process_name)
            stopped = ServiceState(seen.process_name)
            await self.bus.state(
                seen.process_name,
                ServiceStatus.STOPPED,
                desired=Desired.DOWN,
                health=stopped.health,
                health_reason=stopped.health_reason,
                health_details=stopped.health_details,
                enabled=old.enabled,
            )
        else:
            await self.bus.running(seen.process_name, desired=Desired.UP, enabled=True)

    async def tell(self, receipt: Receipt) -> None:
        """Write and announce a receipt."""
        fields = orjson.dumps(receipt.to_hash())
        args: list[Any] = [3600, self.keys.command_results, receipt.to_json(), fields]
        keys = [self.keys.command(receipt.id), self.keys.command_counts]
        await self.bus.write(self._receipt, keys, args)

    async def close(self) -> None:
        """End what is still held by a gate."""
        for task in self._jobs:
            task.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
