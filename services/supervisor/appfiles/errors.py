"""What can be wrong with an application's file or an update of it.

The sentences go into receipts, the audit stream and the log: they name lines and columns, never
what stands there, because that may be a secret.
"""

from shared.errors import DumbError
from shared.models.app_config import FileFault


class AppFileError(DumbError):
    """Nothing was changed. `fault` is what the API chooses its status by."""

    code = "app_file"

    def __init__(self, fault: FileFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def bad_content(message: str, line: int | None = None) -> AppFileError:
    """The text is not of its format. `line` counts from 1."""
    where = f"Line {line}: " if line is not None else ""
    return AppFileError(FileFault.BAD_CONTENT, f"{where}{message}")


def bad_update(message: str) -> AppFileError:
    """The update does not fit this file."""
    return AppFileError(FileFault.BAD_UPDATE, message)
