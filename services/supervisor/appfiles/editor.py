"""Reading and updating the file of a service, from its block to the disk. Blocking."""

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from services.supervisor.appfiles.errors import bad_content
from services.supervisor.appfiles.formats import format_of
from services.supervisor.appfiles.places import locate
from services.supervisor.appfiles.store import read_file, replace_file
from services.supervisor.appfiles.text import Document
from services.supervisor.files.owner import OURS, Owner
from services.supervisor.files.place import Keep, Place, is_bendable
from shared.config.services import ServiceBlock


@dataclass(frozen=True, slots=True)
class Request:
    """One service, and what its paths may name."""

    service: ServiceBlock
    names: Mapping[str, Any]
    home: Path
    own: Collection[Path]
    owner: Owner = OURS
    """Whom the service runs as."""

    def place(self, written: Path, real: Path) -> Place:
        """A file of the service, from its path as written and the one without links."""
        keep, bent = Keep(tuple(self.own)), is_bendable(written, self.owner)
        if bent and os.geteuid() == 0 and not self.owner.foreign:
            # It cannot be used with fewer rights, so no link may have led to it.
            return Place(written, self.owner, keep)
        return Place(real, self.owner, keep, links=False, bent=bent)


class Editor:
    """Takes turns per file: two services may name the same one."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._turns: dict[Path, tuple[threading.Lock, int]] = {}

    def read(self, request: Request) -> bytes:
        """The answer as JSON (contract rest.md 4.4). Raises `AppFileError`."""
        service = request.service
        written, real = self._locate(request)
        form = format_of(written)
        with self._turn(real):
            document = Document.decode(read_file(request.place(written, real)).data)
        answer = {
            "service": service.process_name,
            "service_path": ".".join(service.path),
            "config_format": form.name,
            "config": form.shown(document),
            "raw": document.raw,
        }
        try:
            return orjson.dumps(answer)
        except TypeError:
            raise bad_content("It holds something that JSON cannot say.") from None

    def update(self, request: Request, update: Any) -> bool:
        """Apply an update; whether the file is another one now. Raises `AppFileError`."""
        written, real = self._locate(request)
        form = format_of(written)
        with self._turn(real):
            old = read_file(request.place(written, real))
            document = Document.decode(old.data)
            text = form.updated(document, update)
            if text == document.text:
                return False
            replace_file(request.place(written, real), old, document.encode(text))
        return True

    def _locate(self, request: Request) -> tuple[Path, Path]:
        return locate(request.service, request.names, request.home, request.own)

    @contextmanager
    def _turn(self, real: Path) -> Iterator[None]:
        with self._guard:
            lock, users = self._turns.get(real, (threading.Lock(), 0))
            self._turns[real] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, users = self._turns.pop(real)
                if users > 1:
                    self._turns[real] = (lock, users - 1)
