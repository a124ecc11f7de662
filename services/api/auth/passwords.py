"""Password hashes, off the event loop. The one module that knows passlib.

passlib is what the project is asked to use. Its last release, 1.7.4, is of 2020 and does not know
newer releases of bcrypt, so that one is pinned too. It hashes nothing itself: argon2-cffi and
bcrypt do.

To replace it, rewrite `_load_passlib`, `_hash`, `_verify` and `_verify_bcrypt` with
`argon2.PasswordHasher` (the same parameters; `check_needs_rehash` gives `better_hash`) and
`bcrypt.checkpw`. Stored hashes are in the common formats `$argon2id$` and `$2b$` and stay valid;
tests/auth/test_passwords.py holds the outcomes.
"""

import asyncio
import secrets
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import DumbError

WORKERS: Final = 2
"""Hashes at a time: each takes 19 MiB and a core for about 30 ms."""
MAX_WAITING: Final = 64
"""Requests that may wait for their turn; beyond that the answer is "later"."""
BCRYPT_MAX_BYTES: Final = 72
"""bcrypt reads no more of a password; the original cut without a word."""

MEMORY_KIB: Final = 19 * 1024
ROUNDS: Final = 2
LANES: Final = 1
"""argon2id as OWASP recommends it: 19 MiB, t=2, p=1."""


class BusyError(DumbError):
    """Too many passwords wait to be checked."""

    code = "busy"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password is right, and a stronger hash of it if the stored one should go."""

    right: bool
    better_hash: str | None = None


class Passwords:
    """Hashes and checks in threads of its own. `calls` counts the passwords looked at."""

    def __init__(self) -> None:
        self._context = _load_passlib()
        self._nobody = ""
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="passwords")
        self._waiting = 0
        self.calls = 0

    async def hash(self, password: str) -> str:
        """An argon2id hash of all of `password`. Raises `BusyError`."""
        return str(await self._run(self._hash, password))

    async def verify(self, password: str, stored: str | None) -> Verdict:
        """Whether `stored` is a hash of `password`.

        None (there is no such user) takes the same work and is never right; a stored value that
        is no hash is never right either. Raises `BusyError`.
        """
        verdict = await self._run(self._verify, password, stored)
        assert isinstance(verdict, Verdict)  # noqa: S101 - what `_verify` returns
        return verdict

    def close(self) -> None:
        """End the threads; whoever waits is left alone."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Any, *args: Any) -> Any:
        if self._waiting >= MAX_WAITING:
            raise BusyError("Too many logins at once. Try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        finally:
            self._waiting -= 1

    def _prepare(self) -> None:
        """Whose password nobody has. At the first call, whatever it is: it must tell nothing."""
        if not self._nobody:
            self._nobody = str(self._context.hash(secrets.token_urlsafe()))

    def _hash(self, password: str) -> str:
        self._prepare()
        self.calls += 1
        return str(self._context.hash(password))

    def _verify(self, password: str, stored: str | None) -> Verdict:
        self._prepare()
        self.calls += 1
        if stored is None or not self._usable(stored):
            self._context.verify(_encodable(password), self._nobody)
            return Verdict(right=False)
        if self._context.identify(stored) == "bcrypt":
            return self._verify_bcrypt(password, stored)
        try:
            right, better = self._context.verify_and_update(password, stored)
        except ValueError:  # a surrogate or a NUL in the password, a damaged hash
            return Verdict(right=False)
        return Verdict(bool(right), better)

    def _verify_bcrypt(self, password: str, stored: str) -> Verdict:
        try:
            # Only what the original read of it was ever checked, so only that can be right.
            # The rest of a longer password was never confirmed and must not be fixed in a hash.
            if len(password.encode()) > BCRYPT_MAX_BYTES:
                return Verdict(bool(self._context.verify(password, stored)))
            right, better = self._context.verify_and_update(password, stored)
        except ValueError:
            return Verdict(right=False)
        return Verdict(bool(right), better)

    def _usable(self, stored: str) -> bool:
        return self._context.identify(stored) is not None


def _encodable(password: str) -> str:
    return password.encode("utf-8", "replace").decode()


def _load_passlib() -> Any:
    """passlib with its backends, now and in this thread.

    passlib 1.7.4 has no successor. It imports `crypt`, which Python 3.11 deprecates, and asks
    argon2 for its version in a way that argon2 deprecates; neither touches what it does here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from passlib.context import CryptContext  # noqa: PLC0415
        from passlib.hash import argon2, bcrypt  # noqa: PLC0415

        argon2.set_backend("argon2_cffi")
        bcrypt.set_backend("bcrypt")
        return CryptContext(
            schemes=["argon2", "bcrypt"],
            default="argon2",
            deprecated=["bcrypt"],
            argon2__type="ID",
            argon2__memory_cost=MEMORY_KIB,
            argon2__time_cost=ROUNDS,
            argon2__parallelism=LANES,
        )
