"""`dumb users reset`: a new password for an account, while no supervisor runs.

It is the way in for somebody who forgot the password, and the way back to the original, which
cannot verify argon2id. With a supervisor running its API does this; two writers of one file do
not mix, so the supervisor's lock is held meanwhile.
"""

import getpass
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import argon2
import bcrypt

from shared.config.document import load_document, save_document
from shared.errors import DumbError
from shared.lock import lock_patiently, open_lock
from shared.models.account import MAX_EPOCH
from shared.settings import Settings

MIN_CHARS: Final = 8
MAX_CHARS: Final = 72
BCRYPT_MAX_BYTES: Final = 72
BCRYPT_ROUNDS: Final = 12


def reset(settings: Settings, name: str, *, use_bcrypt: bool, enable: bool) -> None:
    """Ask for a password and store its hash; the user's logins and API tokens end.

    Raises:
        DumbError: a supervisor runs, there is no such user, or the file cannot be used.
    """
    with _alone(settings):
        tree = load_document(settings.users_path)
        user = _find(tree, name)
        password = _ask(name)
        user["password"] = _hash(password, use_bcrypt=use_bcrypt)
        if enable:
            user["disabled"] = False
        _end_logins(tree, name)
        settings.users_path.resolve().chmod(0o600)
        save_document(settings.users_path, tree)
    print(f"Stored the new password of '{name}' ({'bcrypt' if use_bcrypt else 'argon2id'}).")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    lock = open_lock(settings.run_dir / "supervisor.lock")
    try:
        if not lock_patiently(lock):
            raise DumbError(
                "The supervisor is running and owns the accounts. Change the password over the "
                "API (`dumb users passwd`), or stop it first (`dumb down`)."
            )
        yield
    finally:
        os.close(lock)


def _find(tree: dict[str, Any], name: str) -> dict[str, Any]:
    users = tree.get("users")
    for user in users if isinstance(users, list) else []:
        if isinstance(user, dict) and user.get("username") == name:
            return user
    raise DumbError(f"There is no user '{name}'.")


def _ask(name: str) -> str:
    """From a terminal twice, without showing it; else the first line of the input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"New password of {name}: ")
    if getpass.getpass("The same again: ") != password:
        raise DumbError("These are two different passwords; nothing was changed.")
    return password


def _hash(password: str, *, use_bcrypt: bool) -> str:
    if not MIN_CHARS <= len(password) <= MAX_CHARS:
        raise DumbError(f"A password has {MIN_CHARS} to {MAX_CHARS} characters.")
    data = password.encode("utf-8", "surrogateescape")
    if use_bcrypt:
        if len(data) > BCRYPT_MAX_BYTES or b"\0" in data:
            raise DumbError(f"bcrypt reads only {BCRYPT_MAX_BYTES} bytes: choose a shorter one.")
        return bcrypt.hashpw(data, bcrypt.gensalt(BCRYPT_ROUNDS)).decode()
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    return hasher.hash(data)


def _end_logins(tree: dict[str, Any], name: str) -> None:
    """As the supervisor does it: sessions count under an epoch, and API tokens are dropped.

    Raises:
        DumbError: the supervisor could not read what this would write.
    """
    notes, epoch = tree.setdefault("accounts", {}), tree.get("epoch", 0)
    if type(epoch) is not int or not 0 <= epoch < MAX_EPOCH:
        raise DumbError("users.json: 'epoch' must be a whole number. Set it to 0, then try again.")
    if not isinstance(notes, dict) or not isinstance(notes.setdefault(name, {}), dict):
        raise DumbError("users.json: 'accounts' must be an object of objects. Delete it first.")
    epoch = max(epoch + 1, int(time.time() * 1000))
    notes[name]["tokens_epoch"] = epoch
    tree["epoch"] = epoch
    tokens = tree.get("api_tokens")
    if isinstance(tokens, list):
        tree["api_tokens"] = [t for t in tokens if isinstance(t, dict) and t.get("owner") != name]
