"""Which format a file has, and what can be done with each (contract rest.md 4.4)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from services.supervisor.appfiles import (
    json_text,
    postgres_text,
    python_text,
    xml_text,
    yaml_text,
)
from services.supervisor.appfiles.errors import AppFileError, bad_update
from services.supervisor.appfiles.ini_text import IniFormat
from services.supervisor.appfiles.text import Document
from services.supervisor.appfiles.trees import checked_depth, require
from shared.models.app_config import FileFault


@dataclass(frozen=True, slots=True)
class Format:
    """Pure functions of text; each raises `AppFileError`.

    `edit` merges an object, `replace` takes what a client sent as text.
    """

    name: str
    parse: Callable[[str], Any]
    edit: Callable[[str, dict[str, Any]], str]
    replace: Callable[[str, str], str]
    max_bytes: int = 4 << 20

    def shown(self, document: Document) -> Any:
        """What the file says. Raises `AppFileError`."""
        self._check_size(document.text)
        return self.parse(document.text)

    def updated(self, document: Document, update: Any) -> str:
        """The new text of a file; of the very same text when nothing changes.

        Raises:
            AppFileError: the update or the file is not of this format.
        """
        self._check_size(document.text)
        if isinstance(update, str):
            self._check_size(update)
            text = self.replace(document.text, document.taken(update))
        elif isinstance(update, dict):
            text = self.edit(document.text, checked_depth(update))
        else:
            raise bad_update("updates must be an object or the text of the file.")
        self._check_readable(document, text)
        return text

    def _check_readable(self, document: Document, text: str) -> None:
        """What is written can be read, and changed again. Raises `AppFileError`."""
        self._check_size(text)
        if "\0" in text:
            raise bad_update("A value holds a NUL, which a file of this format cannot hold.")
        again = Document.decode(document.encode(text)).text
        if again != text:  # a lone end of line in a value changes how all of them are read
            require(self.parse(again), self.parse(text))

    def _check_size(self, text: str) -> None:
        if len(text.encode("utf-8", "surrogatepass")) > self.max_bytes:
            limit = f"{self.max_bytes >> 10} KiB"
            raise AppFileError(FileFault.TOO_LARGE, f"The {self.name} file is larger than {limit}.")


def _kept_case(key: str) -> str:
    return key


_INI: Final = IniFormat(_kept_case)
_RCLONE: Final = IniFormat(str.lower)

# ruamel.yaml reads some 100 KiB a second, and Python's own parser lets no other thread run.
_YAML_BYTES: Final = 1 << 20
_PYTHON_BYTES: Final = 64 << 10

JSON: Final = Format("json", json_text.parse, json_text.edit, json_text.replace)
YAML: Final = Format("yaml", yaml_text.parse, yaml_text.edit, yaml_text.replace, _YAML_BYTES)
INI: Final = Format("ini", _INI.parse, _INI.edit, _INI.replace)
RCLONE: Final = Format("rclone", _RCLONE.parse, _RCLONE.edit, _RCLONE.replace)
POSTGRESQL: Final = Format(
    "postgresql", postgres_text.parse, postgres_text.edit, postgres_text.replace
)
PYTHON: Final = Format(
    "python", python_text.parse, python_text.edit, python_text.replace, _PYTHON_BYTES
)
XML: Final = Format("xml", xml_text.parse, xml_text.edit, xml_text.replace)

_BY_SUFFIX: Final = {
    ".json": JSON,
    ".yaml": YAML,
    ".yml": YAML,
    ".conf": RCLONE,
    ".config": RCLONE,
    ".ini": INI,
    ".py": PYTHON,
    ".xml": XML,
}


def format_of(path: PurePath) -> Format:
    """By the suffix; `.conf` is PostgreSQL's where the name says so.

    Raises:
        AppFileError: none of them.
    """
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        known = " ".join(_BY_SUFFIX)
        raise AppFileError(
            FileFault.UNSUPPORTED, f"Files of this suffix are not edited here. Known: {known}"
        )
    return POSTGRESQL if found is RCLONE and "postgresql" in path.name.lower() else found
