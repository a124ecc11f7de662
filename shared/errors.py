"""Errors with a stable code and a sentence for people; services/api/errors.py maps them to HTTP."""

from typing import ClassVar

from shared.exits import Exit


class DumbError(Exception):
    """An error that a person can act on. `str(error)` is the whole sentence."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[Exit] = Exit.FAILED
    """Of a program that this error ends."""


class UnknownServiceError(DumbError):
    """No service of that name. `nearest` is the closest configured name, if any is close."""

    code = "unknown_service"

    def __init__(self, process_name: str, nearest: str | None = None) -> None:
        hint = f" Did you mean '{nearest}'?" if nearest else ""
        super().__init__(f"No service is named '{process_name[:200]}'.{hint}")
        self.process_name = process_name
        self.nearest = nearest


class AmbiguousServiceError(DumbError):
    """A loosely spelled name fits several services."""

    code = "ambiguous_service"

    def __init__(self, process_name: str, candidates: list[str]) -> None:
        super().__init__(f"'{process_name[:200]}' fits several services: {', '.join(candidates)}.")


class ConfigError(DumbError):
    """The configuration cannot be used. Names the file, the line and the key's path, as known."""

    code = "config"
    exit_code = Exit.CONFIG

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int | None = None,
        keys: tuple[str, ...] = (),
    ) -> None:
        where = file + (f":{line}" if line is not None else "")
        at = f" at '{'.'.join(keys)}'" if keys else ""
        super().__init__(f"{where}{at}: {message}" if where or at else message)
        self.message = message
        self.file = file
        self.line = line
        self.keys = keys


class BusUnavailableError(DumbError):
    """Redis does not answer."""

    code = "bus_unavailable"


class SupervisorAwayError(DumbError):
    """The supervisor's heartbeat is stale: nobody would execute the command."""

    code = "supervisor_away"
