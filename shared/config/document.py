"""Loading and saving the configuration file. Blocking: call it in a thread."""

import codecs
import errno
import json
import math
import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from shared.config.places import line_of
from shared.errors import ConfigError

MAX_BYTES: Final = 10 * 1024 * 1024
_INT64: Final = 1 << 63


class TooLargeError(ConfigError):
    """More bytes than the reader takes."""


class _DuplicateKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(f"the key '{key[:200]}' stands twice in one object")
        self.key = key


def load_document(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The object in `path`, key order kept. A byte order mark is tolerated.

    Raises:
        TooLargeError: it is larger than `max_bytes`.
        ConfigError: not readable, not strict JSON (line and column are named), a key twice in one
            object, a number that JSON or 64 bits cannot hold, or something else than an object.
    """
    return _parse(_read(path, max_bytes), str(path))


def _parse(data: bytes, file: str) -> dict[str, Any]:
    """Raises `ConfigError` for everything that `load_document` refuses, but the size."""
    text = _decode(data, file)
    try:
        tree = parse_strict(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{error.msg} (column {error.colno})", file=file, line=error.lineno)  # noqa: B904 -- the sentence has it all
    except _DuplicateKeyError as error:
        raise ConfigError(str(error), file=file, line=_second_line(text, error.key)) from None
    except RecursionError:
        raise ConfigError("the objects are nested too deeply", file=file) from None
    except UnicodeEncodeError:
        raise ConfigError("a string holds half of a surrogate pair", file=file) from None
    except ValueError as error:
        raise ConfigError(str(error), file=file) from None
    if not isinstance(tree, dict):
        raise ConfigError("the file must hold one JSON object", file=file)
    return tree


def with_line(error: ConfigError, path: Path) -> ConfigError:
    """The same about the file `path`, with the line on which its key stands."""
    if error.file != str(path) or not error.keys:
        return error
    try:
        line = line_of(_decode(_read(path, MAX_BYTES), error.file), error.keys)
    except ConfigError:  # replaced in this moment
        return error
    return ConfigError(error.message, file=error.file, line=line, keys=error.keys)


def parse_strict(text: str) -> Any:
    """JSON that every later reader can hold: no NaN, no doubled keys, 64-bit numbers.

    Raises:
        ValueError: it is not that (`json.JSONDecodeError`, `UnicodeEncodeError` included).
        RecursionError: nested too deeply.
    """
    tree = json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=_number,
        parse_constant=_constant,
    )
    # Half of a surrogate pair (`\ud800`) is a string that nothing can encode later.
    json.dumps(tree, ensure_ascii=False).encode()
    return tree


def render_document(
    tree: dict[str, Any], *, file: str = "", indent: int = 4, max_bytes: int = MAX_BYTES
) -> bytes:
    """The bytes that `save_document` writes: `load_document` reads them back, or they are refused.

    Raises:
        TooLargeError: they would be more than `max_bytes`.
        ConfigError: the tree is not JSON, or of a kind that `load_document` refuses.
    """
    try:
        text = json.dumps(tree, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
        data = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot be written as JSON: {error}", file=file) from error
    if len(data) > max_bytes:
        why = f"would be {len(data) / (1 << 20):.1f} MiB, and {_limit(max_bytes)} is the limit"
        raise TooLargeError(why, file=file)
    _parse(data, file)
    return data


def save_document(
    path: Path,
    tree: dict[str, Any],
    *,
    private: bool = False,
    indent: int = 4,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Replace `path` by what `load_document` reads back. Raises as the two functions it is of."""
    data = render_document(tree, file=str(path), indent=indent, max_bytes=max_bytes)
    replace_document(path, data, private=private)


def replace_document(path: Path, data: bytes, *, private: bool = False) -> None:
    """Replace `path` atomically, keeping its mode and owner (0600 for a new file).

    A symbolic link stays and its target is replaced. `private`: nobody else may read it (0600).

    Raises:
        ConfigError: the file cannot be written; the old one is intact.
    """
    file = str(path)
    try:
        _replace(path.resolve(), data, private=private)
    except OSError as error:
        if error.errno == errno.EBUSY:
            why = "is a mount point and cannot be replaced: mount its directory, not the file"
        else:
            why = f"cannot be saved: {error.strerror}"
        raise ConfigError(why, file=file) from error


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path)) from error
    if len(data) > max_bytes:
        raise TooLargeError(f"is larger than {_limit(max_bytes)}", file=str(path))
    return data


def _limit(max_bytes: int) -> str:
    return f"{max_bytes >> 20} MiB"


def _decode(data: bytes, file: str) -> str:
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - (before.rfind(b"\n") + 1) + 1
        line = before.count(b"\n") + 1
        raise ConfigError(f"is not UTF-8 (column {column})", file=file, line=line) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return tree


def _integer(text: str) -> int:
    # The length first: converting a million digits takes seconds.
    if len(text) > 20 or not -_INT64 <= int(text) < _INT64:
        raise ValueError(f"the number {text[:40]} does not fit into 64 bits")
    return int(text)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _second_line(text: str, key: str) -> int | None:
    """The line of a key that stands in the file exactly twice; else it is not known."""
    found = [m.start() for m in re.finditer(re.escape(json.dumps(key)) + r"\s*:", text)]
    return text.count("\n", 0, found[1]) + 1 if len(found) == 2 else None


def _replace(path: Path, data: bytes, *, private: bool) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            _copy_access(path, stream.fileno(), 0o600 if private else 0o777)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)  # noqa: PTH105 -- one family of calls
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise
    _sync_directory(path.parent)


def _copy_access(path: Path, handle: int, allowed: int) -> None:
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        _unless_refused(lambda: os.fchown(handle, old.st_uid, old.st_gid))
    os.fchmod(handle, old.st_mode & allowed)


def _unless_refused(change: Callable[[], None]) -> None:
    # Only root may give a file away; the content matters more than its owner.
    with suppress(PermissionError):
        change()


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
