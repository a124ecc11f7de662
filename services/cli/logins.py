"""Logins of this user, by the URL of the API: a file of mode 0600 that several `dumb` share.

Beside it `devices.json` holds device tokens: with one, the failed logins of others do not delay.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shared.errors import DumbError
from shared.exits import Exit


class LoginFileError(DumbError):
    """The file cannot be used."""

    code = "login_file"
    exit_code = Exit.CONFIG


@dataclass(frozen=True, slots=True)
class Login:
    """Both tokens of one login."""

    username: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def login_file(environ: Mapping[str, str], home: Path) -> Path:
    """Below the user's configuration directory; in DUMB_HOME (`home`) for a user without one."""
    configured = environ.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(configured):  # noqa: PTH117 - the standard says that others do not count
        return Path(configured) / "dumb" / "logins.json"
    own = environ.get("HOME", "")
    if own and own != "/":
        return Path(own) / ".config" / "dumb" / "logins.json"
    return home / "run" / "logins.json"


class _File:
    """A JSON object in a file of mode 0600. Each method raises `LoginFileError`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        try:
            data = self.path.read_bytes()
            if self.path.stat().st_mode & 0o077:
                self.path.chmod(0o600)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self.unusable(error.strerror or str(error)) from error
        try:
            tree = json.loads(data)
        except ValueError:
            raise self.unusable("not JSON") from None
        if not isinstance(tree, dict):
            raise self.unusable("not what `dumb login` writes")
        return tree

    def write(self, tree: dict[str, Any]) -> None:
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(tree, file, indent=1)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise self.unwritable(error) from error

    def unusable(self, why: str) -> LoginFileError:
        return LoginFileError(
            f"{self.path} cannot be used ({why}): delete it, then `dumb login` again."
        )

    def unwritable(self, error: OSError) -> LoginFileError:
        return LoginFileError(
            f"{self.path} cannot be written ({error.strerror}): set XDG_CONFIG_HOME to a "
            "directory that you may write, or use an API token in DUMB_TOKEN."
        )


class LoginStore:
    """Reads and replaces the files."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _File(path)
        self._devices = _File(path.with_name("devices.json"))

    def find(self, base: str) -> Login | None:
        """The login at the API `base`. Raises `LoginFileError`."""
        entry = self._file.read().get(base)
        if entry is None:
            return None
        try:
            login = Login(**entry)
        except TypeError:
            raise self._file.unusable("not what `dumb login` writes") from None
        if not all(isinstance(value, str) for value in asdict(login).values()):
            raise self._file.unusable("not what `dumb login` writes")
        return login

    def save(self, base: str, login: Login | None) -> None:
        """Remember a login; None forgets it. Raises `LoginFileError`."""
        tree = self._file.read()
        tree.pop(base, None)
        if login is not None:
            tree[base] = asdict(login)
        self._file.write(tree)

    def device(self, base: str, username: str) -> str:
        """The device token of an earlier login, or "". Raises `LoginFileError`."""
        of_base = self._devices.read().get(base)
        found = of_base.get(username) if isinstance(of_base, dict) else None
        return found if isinstance(found, str) else ""

    def save_device(self, base: str, username: str, device: str) -> None:
        """Remember a device token, also after the login has ended. Raises `LoginFileError`."""
        tree = self._devices.read()
        of_base = tree.get(base)
        tree[base] = {**(of_base if isinstance(of_base, dict) else {}), username: device}
        self._devices.write(tree)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While no other `dumb` renews. Raises `LoginFileError`."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(
                self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            raise self._file.unwritable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
