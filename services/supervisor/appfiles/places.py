"""Which file a service's block names, and whether it stays where it belongs."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from services.supervisor.appfiles.errors import AppFileError
from shared.config.placeholders import fill
from shared.config.services import ServiceBlock
from shared.models.app_config import FileFault


def locate(
    service: ServiceBlock, names: Mapping[str, Any], home: Path, own: Collection[Path]
) -> tuple[Path, Path]:
    """The `config_file` as written, and its real path without symbolic links.

    Args:
        names: placeholders beside those of the block.
        home: what relative paths begin at.
        own: files and directories of the control plane; they are no application's.

    Raises:
        AppFileError: none is named, it does not exist, or it leads out of the directories of the
            service: its `config_dir` and the directory of the file as written.
    """
    written = _path(service.block.get("config_file"), service, names, home)
    if written is None:
        name = service.process_name[:200]
        raise AppFileError(FileFault.NOT_NAMED, f"The block of '{name}' names no config_file.")
    roots = {_real(written.parent)}
    directory = _path(service.block.get("config_dir"), service, names, home)
    if directory is not None:
        roots.add(_real(directory))
    real = _real(written)
    if not any(_within(real, root) for root in roots):
        raise _outside("leads out of the service's directories")
    if any(real == path or path in real.parents for path in map(_real, own)):
        raise _outside("belongs to the control plane")
    if not real.exists():
        raise AppFileError(FileFault.MISSING, f"The file {written} does not exist (yet).")
    return written, real


def _path(value: Any, service: ServiceBlock, names: Mapping[str, Any], home: Path) -> Path | None:
    if not isinstance(value, str) or not value.strip():
        return None
    text = str(fill(value, service.block, names))
    if "\0" in text or ".." in Path(text).parts:
        raise _outside("holds '..' or a NUL")
    return home / text


def _real(path: Path) -> Path:
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise _outside("cannot be resolved") from error


def _within(real: Path, root: Path) -> bool:
    if root.parent == root:  # everything lies below /
        return real.parent == root
    return root in real.parents


def _outside(why: str) -> AppFileError:
    return AppFileError(FileFault.OUTSIDE, f"The path of the config_file {why}.")
