"""The one writer of accounts: users.json first, then Redis, then the receipt."""

import asyncio
import copy
import logging
import time
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.supervisor.account_args import RefusedError
from services.supervisor.account_book import Book, new_secret
from services.supervisor.account_changes import change
from services.supervisor.job import Job
from services.supervisor.users_file import load_users, save_users
from shared.bus.accounts import (
    publish_accounts,
    published_epoch,
    stated_epoch,
    withdraw_accounts,
)
from shared.bus.claim import Fence
from shared.bus.keys import Keys
from shared.errors import ConfigError
from shared.models.account import MAX_EPOCH
from shared.models.account_change import Refusal
from shared.models.command import CommandStatus

_log = logging.getLogger(__name__)

MARK: Final = "accounts.seen"
"""In the run directory once there were users: their file can then only be missing by mistake."""

Stamp = tuple[int, int, int]


class Accounts:
    """Changes accounts one after another. Nobody reads the file at a request: Redis has it all."""

    def __init__(self, path: Path, run_dir: Path, keys: Keys, fence: Fence) -> None:
        self._path = path
        self._mark = run_dir / MARK
        self._keys = keys
        self._fence = fence
        self._book: Book | None = None
        self.problem = ""
        """Why accounts cannot be served, "" while they can."""
        self._seen: Stamp = (0, 0, 0)
        self._redis: Redis | None = None
        self._published = -1
        self._news = asyncio.Event()
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()
        self._lock = asyncio.Lock()
        self._publishing = asyncio.Lock()

    # -- the file --------------------------------------------------------------------------

    def load(self) -> None:
        """Read the file, or begin one. A file that cannot be used is left alone: `problem`."""
        self._seen = self._stamp()
        try:
            book = self._read()
            book.raise_epoch(time.time())
            self._write(book)
        except ConfigError as error:
            self._book = None
            if str(error) != self.problem:
                _log.error("accounts are not available, and nobody is let in: %s", error)
            self.problem = str(error)
            return
        if self.problem:
            _log.info("accounts are available again")
        self.problem = ""
        self._book = book

    def _read(self) -> Book:
        """Users never become none by a change: then the file is another one, or a part of it."""
        there = self._path.exists()
        book = load_users(self._path) if there else Book(new_secret())
        if not book.accounts and self._mark.exists():
            raise ConfigError(
                f"{'holds no users' if there else 'is missing'}, and there were some. Put it "
                f"back, or delete {self._mark} to begin without users",
                file=str(self._path),
            )
        return book

    def _write(self, book: Book) -> None:
        save_users(self._path, book)
        self._seen = self._stamp()
        if book.accounts and not self._mark.exists():
            self._mark.write_text(f"{self._path}\n")

    def _stamp(self) -> Stamp:
        try:
            stat = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino)

    # -- serving ---------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Take a claimed `update-accounts`; the job tells the outcome."""
        self._jobs.put_nowait(job)

    async def run(self) -> None:
        """Make changes, and notice those that somebody else makes to the file."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work())
            group.create_task(self._watch())

    async def _work(self) -> None:
        while True:
            job = await self._jobs.get()
            if not job.may_begin():
                continue
            try:
                async with self._lock:
                    status, detail, code = await self._change(job)
                if status is CommandStatus.SUCCEEDED:
                    await self._until_published()
            except Exception as error:  # noqa: BLE001 - the edge: the next change must be made
                _log.exception("changing accounts failed")
                status, detail = CommandStatus.FAILED, f"Internal error: {type(error).__name__}"
                code = Refusal.UNAVAILABLE.value
            job.receipt.result = {"code": code} if code else {}
            job.finish(status, detail)

    async def _change(self, job: Job) -> tuple[CommandStatus, str, str]:
        """Status, sentence and code of the outcome; the file is written when this returns."""
        command = job.command
        book = self._book
        if book is None:
            return CommandStatus.FAILED, self.problem, Refusal.UNAVAILABLE
        done = book.applied.get(command.id)
        if done is not None:  # by a supervisor that died before it could say so
            return CommandStatus.SUCCEEDED, done, ""
        try:
            changed, done = change(book, command.id, command.args, time.time())
            await asyncio.to_thread(self._write, changed)
        except RefusedError as error:
            return CommandStatus.REJECTED, str(error), error.code
        except (ConfigError, OSError) as error:
            _log.error("accounts stay as they were: %s", error)
            return CommandStatus.FAILED, f"Accounts stay as they were: {error}", ""
        self._book = changed
        return CommandStatus.SUCCEEDED, done, ""

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            async with self._lock:
                if self._stamp() != self._seen:
                    _log.info("%s was changed by somebody else", self._path)
                    await asyncio.to_thread(self.load)
                    self._published = -1

    # -- Redis -----------------------------------------------------------------------------

    async def connect(self, redis: Redis) -> None:
        """A new connection: another supervisor may have published since. Raises as `publish`."""
        book, stated = self._book, await stated_epoch(redis, self._keys)
        # Where none stands, readers may remember one that a wiped Redis does not.
        if book is not None and (stated is None or stated > book.epoch):
            await self._rise(stated or 0)
        await self.publish(redis)

    async def publish(self, redis: Redis) -> None:
        """Make Redis say what is true. Raises what redis-py raises."""
        self._redis = redis
        async with self._publishing:  # an older state must not arrive behind a newer one
            book = self._book
            if book is None:
                await withdraw_accounts(redis, self._keys, self._fence, self.problem)
                return
            await publish_accounts(
                redis,
                self._keys,
                self._fence,
                book.settings,
                secret=book.secret,
                accounts=book.accounts.values(),
                tokens=book.tokens.values(),
            )
            self._published = book.epoch
        self._news.set()

    async def keep(self, redis: Redis) -> bool:
        """Look whether that still stands there, else write it anew; whether it had to be.

        Raises what redis-py raises.
        """
        epoch = self._book.epoch if self._book is not None else None
        if await published_epoch(redis, self._keys) == epoch:
            return False
        stated = await stated_epoch(redis, self._keys)
        if epoch is not None and stated is not None and stated > epoch:
            await self._rise(stated)
        await self.publish(redis)
        return True

    async def _rise(self, above: int) -> None:
        """Another supervisor published `above`. Readers take nothing older than what they saw, so
        our accounts count again only under a higher epoch. It logs no user in or out: the
        `tokens_epoch` of each account stays, and a later revocation gets a number of its own."""
        async with self._lock:
            if self._stamp() != self._seen:
                await asyncio.to_thread(self.load)  # or what was changed there would be lost
            if self._book is None or self._book.epoch > above > 0:
                return
            if above >= MAX_EPOCH:
                _log.error(
                    "Redis stated the epoch %d of accounts, which leaves no higher one: ours are "
                    "published as they are. Restart the API programs that have seen it",
                    above,
                )
                return
            book = copy.copy(self._book)
            book.raise_epoch(time.time(), above)
            try:
                await asyncio.to_thread(self._write, book)
            except (ConfigError, OSError) as error:  # it counts all the same, until a restart
                _log.error("the epoch of accounts was raised in memory only: %s", error)
            self._book = book
            if above:
                _log.warning("another supervisor published accounts: ours are published again")

    async def _until_published(self) -> None:
        """Return when readers can see the change: the receipt must not be earlier."""
        while self._book is not None and self._published < self._book.epoch:
            self._news.clear()
            if self._redis is not None:
                try:
                    await self.publish(self._redis)
                    continue
                except (RedisError, OSError) as error:
                    # The session notices too, connects again and publishes before anything else.
                    _log.warning("the change of accounts is not in Redis yet: %s", error)
            await self._news.wait()
