"""What the fields of a service block may hold (contract config.md 3).

Each check takes the value of a field and answers what is wrong with it, or "". Null counts as
missing everywhere, as the original's files have it.
"""

import math
import re
import shlex
import signal
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

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
        for key, check in _URL_FIELDS.items():
            why = check(item.get(key))
            if why:
                return f"'{key}' {why}"
    return ""


def url(value: Any) -> str:
    """An address that a probe can ask; a placeholder may stand anywhere in it."""
    if _URL.fullmatch(value):
        try:
            if urlsplit(value).port != 0:
                return ""
        except ValueError:
            if "{" in value:
                return ""
    return "must be an address such as http://127.0.0.1:8080/ping"


def http_method(value: Any) -> str:
    """The name of a method."""
    good = value is None or (isinstance(value, str) and _TOKEN.fullmatch(value))
    return "" if good else "must be the name of a method, such as GET"


def http_headers(value: Any) -> str:
    """An object of header fields, each on one line."""
    if value is None:
        return ""
    if not isinstance(value, dict):
        return "must be an object of header fields"
    for name, item in value.items():
        plain = type(item) is int or (isinstance(item, str) and item.isprintable())
        if not _TOKEN.fullmatch(name) or not plain:
            return f"'{name[:100]}' cannot be a header field"
    return ""


def http_auth(value: Any) -> str:
    """User and password for basic authentication."""
    if value is None:
        return ""
    texts = isinstance(value, dict) and all(
        isinstance(value.get(key) or "", str) for key in ("user", "password")
    )
    if texts and ":" not in (value.get("user") or ""):
        return ""
    return "must be an object with 'user' (without a colon) and 'password'"


_URL: Final = re.compile(r"https?://[^\s/?#]+[!-~]*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_URL_FIELDS: Final[dict[str, Check]] = {
    "url": url,
    "timeout": seconds,
    "auth": http_auth,
    "probe_method": http_method,
    "probe_headers": http_headers,
    "expected_json_path": text,
}


def restart(value: Any) -> str:
    good = value is None or isinstance(value, bool) or value in ("auto", "no")
    return "" if good else "must be auto or no"


def exit_codes(value: Any) -> str:
    for code in value if isinstance(value, list) else [value]:
        if integer(code, 0, 255):
            return "must be an exit code from 0 to 255, or a list of them"
    return ""


def on_dependency_restart(value: Any) -> str:
    good = value is None or value in ("restart", "reprobe", "ignore")
    return "" if good else "must be restart, reprobe or ignore"


def env_copy(value: Any) -> str:
    if value is None or value == {}:
        return ""
    paths = value.values() if isinstance(value, dict) else ()
    if not paths or not all(isinstance(value.get(key), str) for key in ("source", "destination")):
        return "must be an object with a 'source' and a 'destination'"
    return next((why for path in paths if (why := text(path))), "")


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
    "wait_timeout": seconds,
    "env_copy": env_copy,
    "restart": restart,
    "expected_exit": exit_codes,
    "on_dependency_restart": on_dependency_restart,
}
