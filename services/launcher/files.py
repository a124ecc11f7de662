"""Small files that only their owner may read, replaced in one step."""

import os
from pathlib import Path


def write_private(path: Path, data: bytes) -> None:
    """Write `path` with mode 0600; a reader sees the old content or the new one, never a part.

    Raises:
        OSError: the directory cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
