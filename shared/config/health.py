"""The `health` block of a service: which probe says that it is ready, and which that it lives.

```json
"health": {
    "readiness": {"kind": "http", "path": "/ready", "status": 200},
    "liveness": {"kind": "exec", "command": ["pg_isready", "-p", "{port}"], "interval": 10},
    "start_period": 60
}
```
Pure. A block is checked when it is loaded (`health_problems`), and read when it counts
(`parse_probe`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.config.fields import (
    command,
    http_auth,
    http_headers,
    http_method,
    integer,
    port,
    seconds,
    text,
)
from shared.config.placeholders import is_placeholder
from shared.config.services import Block

ROLES: Final = ("readiness", "liveness")
MAX_THRESHOLD: Final = 100
MIN_INTERVAL_S: Final = 0.1

Problem = tuple[tuple[str, ...], str]
Check = Callable[[Any], str]


class Kind(StrEnum):
    """What a probe does. `process`: it lives; `port`: all its configured ports answer."""

    PROCESS = "process"
    PORT = "port"
    HTTP = "http"
    TCP = "tcp"
    EXEC = "exec"


@dataclass(frozen=True, slots=True)
class ProbeFields:
    """One probe as it is configured. None: the kind's default. Durations: seconds."""

    kind: Kind
    interval_s: float | None = None
    timeout_s: float | None = None
    failure_threshold: int = 1
    success_threshold: int = 1
    host: str = ""
    port: int | None = None
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    auth: tuple[str, str] | None = None
    status: tuple[int, ...] = ()
    """Accepted codes; empty: what the code usually means."""
    contains: str = ""
    json_field: str = ""
    json_value: Any = None
    command: tuple[str, ...] | str = ()


def parse_probe(tree: Mapping[str, Any]) -> ProbeFields:
    """A probe without problems, its placeholders filled in.

    Raises:
        ValueError: a placeholder brought in what cannot be used.
    """
    for _path, why in _probe(dict(tree)):
        raise ValueError(why)
    value = {key: item for key, item in tree.items() if item is not None}
    auth, argv, codes = value.get("auth"), value.get("command", ()), value.get("status", ())
    return ProbeFields(
        kind=Kind(value["kind"]),
        interval_s=value.get("interval"),
        timeout_s=value.get("timeout"),
        failure_threshold=value.get("failure_threshold", 1),
        success_threshold=value.get("success_threshold", 1),
        host=value.get("host", ""),
        port=int(value["port"]) if "port" in value else None,
        path=value.get("path", "/"),
        method=value.get("method", "GET").upper(),
        headers=tuple((name, str(item)) for name, item in value.get("headers", {}).items()),
        auth=(str(auth.get("user", "")), str(auth.get("password", ""))) if auth else None,
        status=tuple(codes) if isinstance(codes, list | tuple) else (codes,),
        contains=value.get("contains", ""),
        json_field=value.get("json_field", ""),
        json_value=value.get("json_value"),
        command=tuple(argv) if isinstance(argv, list) else argv,
    )


def health_problems(value: Any) -> Iterator[Problem]:
    """What is wrong in a `health` block: the path below it, and why."""
    if value is None:
        return
    if not isinstance(value, dict):
        yield (), "must be an object with 'readiness', 'liveness' and 'start_period'"
        return
    why = seconds(value.get("start_period"))
    if why:
        yield ("start_period",), why
    for role in ROLES:
        probe = value.get(role)
        if isinstance(probe, dict):
            yield from (((role, *path), why) for path, why in _probe(probe))
        elif probe is not None:
            yield (role,), "must be an object with a 'kind'"


def _probe(probe: Block) -> Iterator[Problem]:
    kind = probe.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS:
        yield ("kind",), f"must be one of {', '.join(_FIELDS)}"
        return
    for key, check in (_COMMON | _FIELDS[Kind(kind)]).items():
        why = check(probe.get(key))
        if why:
            yield (key,), why
    for key in _REQUIRED.get(Kind(kind), ()):
        if probe.get(key) in (None, "", []):
            yield (key,), f"is needed by a probe of the kind '{kind}'"


# -- fields --------------------------------------------------------------------------------


def _interval(value: Any) -> str:
    why = seconds(value)
    if not why and value is not None and value < MIN_INTERVAL_S:
        return f"must be at least {MIN_INTERVAL_S} s"
    return why


def _threshold(value: Any) -> str:
    return integer(value, 1, MAX_THRESHOLD)


def _port(value: Any) -> str:
    if isinstance(value, str) and (is_placeholder(value) or not port(_whole(value))):
        return ""
    return port(value)


def _whole(value: str) -> int:
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 6 else 0


def http_path(value: Any) -> str:
    """The path of a request, with its query."""
    if value is None or (isinstance(value, str) and _PATH.fullmatch(value)):
        return ""
    return "must be a path that begins with '/', without spaces"


def _codes(value: Any) -> str:
    codes = value if isinstance(value, list) else [value]
    for code in codes:
        why = integer(code, 100, 599)
        if why:
            return "must be a status code from 100 to 599, or a list of them"
    return ""


def _scalar(value: Any) -> str:
    return "must be text, a number or true/false" if isinstance(value, dict | list) else ""


_PATH: Final = re.compile(r"/[!-~]*|\{[^\s]*")

_COMMON: Final[dict[str, Check]] = {
    "interval": _interval,
    "timeout": _interval,
    "failure_threshold": _threshold,
    "success_threshold": _threshold,
}
_FIELDS: Final[dict[Kind, dict[str, Check]]] = {
    Kind.PROCESS: {},
    Kind.PORT: {},
    Kind.HTTP: {
        "host": text,
        "port": _port,
        "path": http_path,
        "method": http_method,
        "headers": http_headers,
        "auth": http_auth,
        "status": _codes,
        "contains": text,
        "json_field": text,
        "json_value": _scalar,
    },
    Kind.TCP: {"host": text, "port": _port},
    Kind.EXEC: {"command": command},
}
_REQUIRED: Final[dict[Kind, tuple[str, ...]]] = {Kind.TCP: ("port",), Kind.EXEC: ("command",)}
