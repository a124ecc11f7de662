"""The right to write the supervisor's facts, as it stands in Redis (docs/protocol.md).

`Holder` is who has it; its value under `Keys.claim` is what every writing script compares, so a
supervisor whose value does not stand there changes nothing. Only its TTL counts, never a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from shared.bus.keys import Keys
from shared.bus.scripts import CLAIM_TAKE, FENCED, LOG_APPEND, NO_CLAIM, RECALL, RECEIPT, STATUS

TTL_MS: Final = 5000
"""How long a claim outlives the last renewal, which comes every second."""

Command = Sequence[str | bytes | int | float]
"""A Redis command as its words."""


def flat(mapping: Mapping[Any, Any]) -> list[Any]:
    """Names and values as words of a command."""
    return [part for pair in mapping.items() for part in pair]


class ClaimLostError(RedisError):
    """This process may not write (any more): it begins again by taking the claim."""


def claim_lost(error: object) -> bool:
    """Whether an answer of Redis, or what was made of it, says that the claim is not ours."""
    return isinstance(error, ClaimLostError) or (
        isinstance(error, Exception) and NO_CLAIM in str(error)
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the claim; of a supervisor without claims only what its heartbeat tells."""

    process: str = ""
    """Random, made by each process: no two ever have the same value."""
    owner: str = ""
    """SHA-256 of the token of its data directory. The token itself stands nowhere in Redis."""
    lock: str = ""
    """Device and inode of its lock file: the very directory, which a copy of it has not."""
    node: str = ""
    home: str = ""
    pid: int = 0
    boot_id: str = ""
    version: str = ""
    since: float = 0.0
    """When the process began. Epoch seconds, for people."""

    def to_json(self) -> bytes:
        """The value of the claim."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, raw: bytes) -> "Holder":
        """Of whatever stands there: what cannot be read is an unknown holder."""
        try:
            tree = orjson.loads(raw)
            return cls(**{name: kind(tree[name]) for name, kind in _KINDS.items() if name in tree})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def __str__(self) -> str:
        where = f" on {_line(self.node[:200])}" if self.node else ""
        home = f", data directory {_line(self.home[:400])}" if self.home else ""
        pid = f", pid {self.pid}" if self.pid else ""
        return f"another supervisor{where}{home}{pid}"


def _line(text: str) -> str:
    """What another process wrote, as a part of one sentence."""
    return "".join(char if char.isprintable() else "?" for char in text)


_KINDS: Final[dict[str, Any]] = {
    "process": str,
    "owner": str,
    "lock": str,
    "node": str,
    "home": str,
    "pid": int,
    "boot_id": str,
    "version": str,
    "since": float,
}


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an attempt to take the claim.

    `word`: `kept` (it was ours without a gap), `taken`, `held` (by `holder`, whose value is `raw`,
    for another `left_ms`), or `old` (a supervisor without claims may be alive).
    """

    word: str
    holder: Holder = Holder()
    raw: bytes = b""
    left_ms: int = 0
    heartbeat_at: str = ""
    """Of a supervisor without claims; behind `kept`: one that writes beside us."""


async def take_claim(
    redis: Redis, keys: Keys, value: bytes, *, instead: bytes = b"", over: str = ""
) -> Taken:
    """Take the claim if it is free, renew it if it is ours.

    Args:
        instead: a value that may be replaced, of a process that is known to be dead.
        over: the `heartbeat_at` of a supervisor without claims that is known to be dead.

    Raises:
        redis.exceptions.RedisError, OSError: Redis is away, or takes nothing.
    """
    answer: Any = await redis.eval(
        CLAIM_TAKE, 1, keys.claim, value, TTL_MS, instead, keys.supervisor, over
    )
    word = answer[0].decode()
    if word == "held":
        raw = bytes(answer[1])
        return Taken(word, Holder.from_json(raw), raw, int(answer[2]))
    if len(answer) < 5:
        return Taken(word)
    at, node, pid, boot_id = (bytes(field).decode("utf-8", "replace") for field in answer[1:5])
    number = int(pid) if pid.isdecimal() else 0
    return Taken(word, Holder(node=node, pid=number, boot_id=boot_id), heartbeat_at=at)


@dataclass(frozen=True, slots=True)
class _Shas:
    """The scripts as Redis knows them."""

    fenced: str
    status: str
    receipt: str
    recall: str
    log_append: str


class Fence:
    """Sends what has an effect only while the claim is ours. Otherwise the answer is `NOCLAIM`."""

    def __init__(self, key: str, value: bytes) -> None:
        self.key = key
        self.value = value
        self._shas = _Shas("", "", "", "", "")

    async def load(self, redis: Redis) -> None:
        """Make the scripts known, at each connection. Raises what redis-py raises."""
        texts = (FENCED, STATUS, RECEIPT, RECALL, LOG_APPEND)
        pipe = redis.pipeline(transaction=False)
        for text in texts:
            pipe.script_load(text)
        self._shas = _Shas(*(str(sha) for sha in await pipe.execute()))

    async def write(self, redis: Redis, *commands: Command) -> Any:
        """Carry out commands as one step; the answer to the last one, as Redis gives it.

        Raises:
            redis.exceptions.RedisError, OSError: see `claim_lost`; nothing after the first
                command that failed was done.
        """
        words = [word for command in commands for word in (len(command), *command)]
        sha = self._shas.fenced
        return await redis.evalsha(sha, 1, self.key, *words, self.value)

    async def read(self, redis: Redis, *words: Any) -> Any:
        """The answer to a command that waits, so that no script can guard it, if it is ours.

        The claim is read at once behind it, on the same connection and in the same round trip. It
        is not renewed: Redis carries that out also for a process that is frozen, or for a machine
        that is gone, and would keep its claim alive.

        Raises:
            ClaimLostError: it is not ours, so what was read may be another's.
            redis.exceptions.RedisError, OSError: Redis is away, or refuses the command.
        """
        pipe = redis.pipeline(transaction=False)
        pipe.execute_command(*words)
        pipe.get(self.key)
        answer, value = await pipe.execute(raise_on_error=False)
        if isinstance(answer, Exception):
            raise answer
        if value != self.value:
            raise ClaimLostError("The claim is gone from Redis, or another supervisor has it.")
        return answer

    def add(self, pipe: Pipeline, *commands: Command) -> None:
        """The same as a part of a pipeline."""
        words = [word for command in commands for word in (len(command), *command)]
        pipe.evalsha(self._shas.fenced, 1, self.key, *words, self.value)

    def add_status(self, pipe: Pipeline, keys: Sequence[str], *args: str | bytes) -> None:
        """`STATUS`, which see."""
        self._script(pipe, self._shas.status, keys, args)

    def add_receipt(
        self, pipe: Pipeline, keys: Sequence[str], *args: str | bytes, only_open: bool
    ) -> None:
        """`RECEIPT`, which see; or `RECALL`, where it is for a receipt that is not final."""
        self._script(pipe, self._shas.recall if only_open else self._shas.receipt, keys, args)

    def add_chunk(self, pipe: Pipeline, keys: Sequence[str], args: Sequence[Any]) -> None:
        """`LOG_APPEND`, which see."""
        self._script(pipe, self._shas.log_append, keys, args)

    def _script(self, pipe: Pipeline, sha: str, keys: Sequence[str], args: Sequence[Any]) -> None:
        pipe.evalsha(sha, len(keys) + 1, *keys, self.key, *args, self.value)
