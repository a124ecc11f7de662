"""The certificate that the API shows, followed: a new pair of files is used by new connections."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from shared.settings import SettingsError
from shared.tls import server_context

_log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
"""How often the files are looked at: two calls of `stat`."""


class Certificate:
    """Two files, and the context made of them."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises `SettingsError` when they cannot be used."""
        self._cert, self._key = cert, key
        self._stamp = self._look()
        self._current = server_context(cert, key)
        self.context = server_context(cert, key)
        """What the server listens with; each handshake goes on with the current one."""
        self.context.sni_callback = self._choose

    def factory(self, *_: object) -> ssl.SSLContext:
        """`context`, as uvicorn asks for it."""
        return self.context

    async def follow(self) -> None:
        """Look at the files for ever. A pair that cannot be used leaves the old one in use."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.refresh)  # the files may be on a network's disk

    def refresh(self) -> bool:
        """Take over what changed since the last look; whether that is a new certificate."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self._current = server_context(self._cert, self._key)
        except SettingsError as error:
            _log.error("The old certificate stays in use. %s", error)
            return False
        _log.info("New connections get the new certificate of %s", self._cert)
        return True

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        """Links are followed, because renewal tools swap them; a missing file differs from any.

        The time of the last change of the inode, so that a corrected mode counts too.
        """
        found = []
        for path in (self._cert, self._key):
            try:
                status = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_ino, status.st_ctime_ns, status.st_size))
        return tuple(found)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _old: ssl.SSLContext) -> None:
        # Called for each ClientHello, with or without a name. The context as a whole is swapped:
        # changing certificate and key of one in use are two steps.
        connection.context = self._current
