"""What the fields of a service block may hold (contract config.md 3).

Each check takes the value of a field and answers what is wrong with it, or "". Null counts as
missing everywhere, as the original's files have it.
"""

import math
import shlex
import signal
from collections.abc import Callable
from typing import Any, Final

Check = Callable[[Any], str]

MAX_ID: Final = 2**32 - 2
"""The largest user or group id of Linux."""
_DAY_S: Final = 86_400


def boolean(value: Any) -> str:
    return "" if value is None or isinstance(value, bool) else "must be true or false"


def text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return "must be text"
    return "holds a NUL character" if "\0" in value else ""


def integer(value: Any, low: int, high: int) -> str:
    if value is None or (type(value) is int and low <= value <= high):
        return ""
    return f"must be a whole number from {low} to {high}"


def port(value: Any) -> str:
    return integer(value, 1, 65535)


def attempts(value: Any) -> str:
    return integer(value, 1, 100)


def seconds(value: Any) -> str:
    is_number = type(value) is int or (type(value) is float and math.isfinite(value))
    if value is None or (is_number and 0 <= value <= _DAY_S):
        return ""
    return f"must be a number of seconds from 0 to {_DAY_S}"


def command(value: Any) -> str:
    if isinstance(value, str):
        try:
            shlex.split(value)
        except ValueError as error:
            return f"cannot be split into arguments: {error}"
        return text(value)
    if isinstance(value, list):
        if not all(isinstance(item, str) for item in value):
            return "must be a list of text"
        return next((why for item in value if (why := text(item))), "")
    return "" if value is None else "must be a list of text, or text"


def env(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, dict):
        return "must be an object of variables"
    for name, item in value.items():
        if not name or "=" in name or "\0" in name:
            return f"'{name[:100]}' cannot be the name of a variable"
        if isinstance(item, dict | list):
            return f"the value of '{name[:100]}' must be text, a number or true/false"
        if isinstance(item, str) and "\0" in item:
            return f"the value of '{name[:100]}' holds a NUL character"
    return ""


def stop_signal(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is int:
        known = value in {member.value for member in signal.Signals}
    else:
        name = value.upper().removeprefix("SIG") if isinstance(value, str) else ""
        known = f"SIG{name}" in signal.Signals.__members__
    return "" if known else "must be the name of a signal, such as SIGTERM"


def mounts(value: Any) -> str:
    if value is None or isinstance(value, str):
        return ""
    good = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return "" if good else "must be a list of paths"


def tcp_waits(value: Any) -> str:
    for item in _entries(value):
        if not isinstance(item, dict) or not isinstance(item.get("host", ""), str):
            return "must be a list of objects with 'host' and 'port'"
        why = port(item.get("port")) or seconds(item.get("timeout"))
        if why:
            return f"'port' or 'timeout' {why}"
    return ""


def url_waits(value: Any) -> str:
    for item in _entries(value):
        if not isinstance(item, dict) or not isinstance(item.get("url"), str):
            return "must be a list of objects with a 'url'"
        why = seconds(item.get("timeout"))
        if why:
            return f"'timeout' {why}"
    return ""


def _entries(value: Any) -> list[Any]:
    """A list, or one entry on its own; null and "" are no entries."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


FIELD_CHECKS: Final[dict[str, Check]] = {
    "enabled": boolean,
    "command": command,
    "config_dir": text,
    "config_file": text,
    "log_file": text,
    "host": text,
    "env": env,
    "suppress_logging": boolean,
    "port": port,
    "frontend_port": port,
    "backend_port": port,
    "webdav_port": port,
    "wait_for_dir": text,
    "wait_for_mounts": mounts,
    "wait_for_tcp": tcp_waits,
    "wait_for_url": url_waits,
    "start_window": seconds,
    "start_timeout": seconds,
    "stop_signal": stop_signal,
    "stop_attempts": attempts,
    "stop_wait": seconds,
}
