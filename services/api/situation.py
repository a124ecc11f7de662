"""What a judgement needs beside the state of a service: the boot, the blocks, the wizard."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.api.configuration import ConfigAwayError, ConfigReader
from services.api.deps import from_state
from shared.bus.keys import Keys
from shared.bus.refusals import Refused, refusal_of, require_changes
from shared.config.services import ServiceBlock
from shared.judgement import Judgement, judge
from shared.models.service import ServiceState
from shared.models.startup import Phase, Startup

ANSWER_S: Final = 1.0
"""A Redis that takes longer counts as away."""
FRESH_S: Final = 1.0
"""What `peek` returns is read again when it is older."""


@dataclass(frozen=True, slots=True)
class Situation:
    """At one time. `redis`: it answered; else the rest is what was known before."""

    redis: bool = False
    refused: Refused | None = None
    """What Redis does not do. `beat` is empty then, and says nothing about the supervisor."""
    beat: Mapping[str, str] = field(default_factory=dict)
    """The supervisor's heartbeat, empty when it is away."""
    config_problem: str = ""
    boot: Startup | None = None
    blocks: Mapping[str, ServiceBlock] = field(default_factory=dict)
    onboarding: bool = False
    """The first-run wizard is still ahead."""

    def judge(self, state: ServiceState, *, trying: bool = False) -> Judgement:
        """Judge a service now. `trying`: for the wizard, which may try again what failed."""
        block = self.blocks.get(state.process_name)
        wizard = trying and self.onboarding
        return judge(state, block, self.boot, now=time.time(), onboarding=wizard)

    def judge_all(
        self, states: Iterable[ServiceState], *, trying: bool = False
    ) -> dict[str, Judgement]:
        """The same for several, by name and in the order of the names."""
        ordered = sorted(states, key=lambda state: state.process_name)
        return {state.process_name: self.judge(state, trying=trying) for state in ordered}


class SituationReader:
    """Reads it; two round trips to Redis at most."""

    def __init__(self, redis: Redis, keys: Keys, config: ConfigReader) -> None:
        self._redis = redis
        self._keys = keys
        self._config = config
        self._latest = Situation()
        self._read_at = float("-inf")
        self._reading: asyncio.Task[Situation] | None = None

    async def read(self) -> Situation:
        """The situation of now. Never raises for a Redis that is away."""
        try:
            async with asyncio.timeout(ANSWER_S):
                found = await self._ask()
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            found = replace(
                self._latest, redis=False, refused=refusal_of(error), beat={}, config_problem=""
            )
        self._latest, self._read_at = found, time.monotonic()
        return found

    def peek(self) -> Situation:
        """What was read last, without a wait; a read begins when that is not of now."""
        idle = self._reading is None or self._reading.done()
        if idle and time.monotonic() - self._read_at > FRESH_S:
            self._reading = asyncio.get_running_loop().create_task(self.read())
        return self._latest

    async def _ask(self) -> Situation:
        pipe = self._redis.pipeline(transaction=False)
        pipe.hgetall(self._keys.supervisor)
        pipe.get(self._keys.config_problem)
        pipe.get(self._keys.startup)
        raw, problem, startup = await pipe.execute(raise_on_error=False)
        for answer in (raw, problem, startup):
            if refusal_of(answer):
                raise answer
        beat = {_text(k): _text(v) for k, v in raw.items()} if isinstance(raw, dict) else {}
        if not beat:
            await require_changes(self._redis, self._keys)
        found = Situation(
            redis=True,
            beat=beat,
            config_problem=_text(problem),
            boot=known_boot(startup if isinstance(startup, bytes) else None, beat.get("phase", "")),
            blocks=self._latest.blocks,
            onboarding=self._latest.onboarding,
        )
        try:
            published = await self._config.read()
        except ConfigAwayError:
            return found
        onboarding = not published.dumb.get("onboarding_completed")
        return replace(found, blocks=published.by_name, onboarding=onboarding)


def known_boot(startup: bytes | None, phase: str) -> Startup | None:
    """How the boot goes, by `dumb:startup`, which is never older than the heartbeat's phase."""
    try:
        if startup is not None:
            return Startup.from_json(startup)
    except ValueError:
        pass  # a curious hand: the next change writes it anew
    try:
        return Startup(Phase(phase))
    except ValueError:
        return None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


SituationDep = Annotated[SituationReader, from_state("situation")]
