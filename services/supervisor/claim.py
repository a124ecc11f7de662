"""One supervisor per Redis: who may write there, and how a supervisor comes by that.

The lock on the data directory keeps two apart that share a disk; the claim in Redis keeps two apart
that share a Redis (docs/protocol.md, "One supervisor"). Without the claim a supervisor supervises
and writes nothing.
"""

import asyncio
import logging
import os
import secrets
import socket
import time
from contextlib import suppress
from typing import ClassVar, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.supervisor.identity import boot_id, since_boot
from shared.bus.claim import (
    TTL_MS,
    ClaimLostError,
    Fence,
    Holder,
    Taken,
    take_claim,
)
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.errors import DumbError
from shared.exits import Exit
from shared.owner import TOKEN_FILE, owner_of, read_token
from shared.redis_url import parse_redis_url
from shared.settings import Settings
from shared.texts import encodable
from shared.version import VERSION

_log = logging.getLogger(__name__)

RENEW_S: Final = 1.0
LOOK_S: Final = 0.1
"""Between two looks of a supervisor that waits to begin."""
ANSWER_S: Final = 2.0
"""A Redis that does not answer within this time is not waited for by a supervisor that begins."""
RISE_MS: Final = 200
"""The time left falls by itself. What is left beyond that, and beyond what a correction of Redis'
clock would explain, is a renewal."""
OLD_S: Final = 1.6
"""A heartbeat comes every second. One that has not advanced for so long will not."""


class ForeignHolderError(DumbError):
    """Another living supervisor writes to this Redis."""

    code: ClassVar[str] = "foreign_holder"
    exit_code: ClassVar[Exit] = Exit.IN_USE

    def __init__(self, holder: Holder, place: str) -> None:
        super().__init__(
            f"Redis at {place} is in use by {holder}: stop that supervisor first, or set "
            "REDIS_URL to another Redis or DUMB_REDIS_PREFIX to another prefix."
        )
        self.holder = holder


class Claim:
    """The claim of this process: takes it, renews it, knows whether it is certain."""

    def __init__(self, settings: Settings, keys: Keys, lock: int, former: int = 0) -> None:
        """`lock`: the descriptor of the lock that we hold. `former`: pid of its last holder."""
        self._keys = keys
        self._settings = settings
        self._former = former
        self._token_path = settings.run_dir / TOKEN_FILE
        self._token = read_token(self._token_path) or secrets.token_hex(32)
        status = os.fstat(lock)
        self.holder = Holder(
            process=secrets.token_hex(8),
            owner=owner_of(self._token),
            lock=f"{status.st_dev}:{status.st_ino}",
            node=socket.gethostname(),
            home=encodable(str(settings.home)),
            pid=os.getpid(),
            boot_id=boot_id(),
            version=VERSION,
            since=round(time.time(), 3),
        )
        self.fence = Fence(keys.claim, self.holder.to_json())
        self._until = 0.0
        self._released = False
        self._heard: tuple[str, float] = ("", 0.0)
        self._beside = 0

    # -- what is so ------------------------------------------------------------------------

    @property
    def left_s(self) -> float:
        """For how long no other process can have the claim, in seconds. Time in which this one or
        its machine stood still counts. 0 or less: it is not certain, and may be another's."""
        return self._until - since_boot()

    @property
    def certain(self) -> bool:
        """Whether what was read from Redis may take effect: no other supervisor reads it."""
        return self.left_s > 0

    # -- taking ----------------------------------------------------------------------------

    async def take(self, redis: Redis) -> Taken:
        """One attempt to take or renew it; `held` and `old` say who is in the way.

        Raises:
            ClaimLostError: it was given up for good.
            redis.exceptions.RedisError, OSError: Redis is away, or takes nothing.
        """
        if self._released:
            raise ClaimLostError("The claim was given up.")
        asked = since_boot()
        value = self.fence.value
        found = await take_claim(redis, self._keys, value)
        if found.word == "held" and self._succeeds(found.holder):
            found = await take_claim(redis, self._keys, value, instead=found.raw)
        if found.word == "old" and self._is_over(found):
            found = await take_claim(redis, self._keys, value, over=found.heartbeat_at)
        if found.word in {"kept", "taken"}:
            self._until = asked + TTL_MS / 1000
            if found.word == "taken":
                self._keep_token()
        else:
            self._until = 0.0
        return found

    async def win(self, url: str) -> None:
        """Take it before anything else is done: waits while its holder may be dead.

        A Redis that is away, or takes nothing, is not waited for: services are started without
        the claim, and `Session` takes it later.

        Raises:
            ForeignHolderError: its holder is alive. Nothing was changed.
        """
        redis = commands_client(url, "dumb-supervisor-claim", 1)
        first: Taken | None = None
        since = 0.0
        try:
            while True:
                asked = since_boot()
                async with asyncio.timeout(ANSWER_S):
                    found = await self.take(redis)
                if found.word in {"kept", "taken"}:
                    return
                if first is None or (first.word, first.raw) != (found.word, found.raw):
                    first, since = found, since_boot()  # it changed hands: watched from now on
                elif _renewed(first, found, asked - since):
                    raise ForeignHolderError(found.holder, parse_redis_url(url).place)
                await asyncio.sleep(LOOK_S)
        except (RedisError, OSError) as error:
            _log.warning("cannot ask Redis who writes there (%s): services go first", error)
        finally:
            with suppress(RedisError, OSError):
                await redis.aclose(close_connection_pool=True)

    async def keep(self, redis: Redis) -> None:
        """Renew it until it is lost.

        Raises:
            ClaimLostError: it was not there, or is another's. What was read since the last
                renewal may be another's too.
            redis.exceptions.RedisError, OSError: Redis is away.
        """
        while True:
            await asyncio.sleep(RENEW_S)
            await self.confirm(redis)

    async def release(self, redis: Redis) -> None:
        """Leave it to others, at the end. Raises as `take`."""
        self._released = True
        self._until = 0.0
        await self.fence.write(redis, ("DEL", self._keys.claim))

    def check(self) -> None:
        """Raises `ClaimLostError` unless it is certain."""
        if not self.certain:
            raise ClaimLostError("The claim was not renewed in time; it is taken again.")

    async def confirm(self, redis: Redis) -> None:
        """Renew it now.

        Raises:
            ClaimLostError: it was not ours without a gap.
            redis.exceptions.RedisError, OSError: Redis is away.
        """
        found = await self.take(redis)
        if found.word == "taken":
            raise ClaimLostError("The claim had run out, or was deleted; it is taken again.")
        if found.word != "kept":
            raise ClaimLostError(f"The claim went to {found.holder}.")
        self._notice(found)

    # -- who is there ----------------------------------------------------------------------

    def _succeeds(self, other: Holder) -> bool:
        """Whether that process held our lock, and so is dead: we hold it now.

        A copy of the directory has the same token, but another lock file; on another machine,
        or after a reboot, the lock tells nothing. Those are watched like strangers.
        """
        own = self.holder
        return (other.owner, other.lock, other.boot_id) == (own.owner, own.lock, own.boot_id)

    def _is_over(self, found: Taken) -> bool:
        """Whether a supervisor without claims is dead: it held our lock, or its heart stopped."""
        other, own = found.holder, self.holder
        if other.pid and (other.node, other.pid, other.boot_id) == (
            own.node,
            self._former,
            own.boot_id,
        ):
            return True
        now = since_boot()
        if self._heard[0] != found.heartbeat_at:
            self._heard = (found.heartbeat_at, now)
        return now - self._heard[1] > OLD_S

    def _notice(self, found: Taken) -> None:
        """A supervisor of the first version does not ask before it writes."""
        if found.heartbeat_at and found.holder.pid != self._beside:
            self._beside = found.holder.pid
            _log.error(
                "%s writes to this Redis beside this supervisor, because its version knows no "
                "claim: stop it, or give it another Redis",
                found.holder,
            )

    def _keep_token(self) -> None:
        if read_token(self._token_path) == self._token:
            return
        temporary = self._token_path.with_suffix(".new")
        try:
            temporary.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600)
            try:
                os.write(descriptor, f"{self._token}\n".encode())
            finally:
                os.close(descriptor)
            temporary.rename(self._token_path)
        except OSError as error:  # a full disk: a successor then waits until the claim runs out
            _log.warning("%s cannot be written: %s", self._token_path, error.strerror)


def _renewed(first: Taken, now: Taken, passed_s: float) -> bool:
    """Whether the holder did something between two looks, at least `passed_s` seconds apart."""
    if now.word == "old":
        return first.heartbeat_at != now.heartbeat_at
    return now.left_ms > first.left_ms - passed_s * 1000 + RISE_MS
