"""Finds a redis-server: on PATH, then in the wheel."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.errors import DumbError
from shared.redis_tools import glibc, in_wheel, on_path, without_wheel_here

MINIMUM: Final = (6, 2)
"""Streams and scripts here rely on commands of Redis 6.2; every Valkey is newer."""


class NoRedisError(DumbError):
    """This machine has no usable redis-server."""

    code = "no_redis"


@dataclass(frozen=True, slots=True)
class Server:
    """A program that can be started. `version` is major and minor."""

    path: str
    version: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.path} ({self.version[0]}.{self.version[1]})"


def redis_servers() -> tuple[Server, ...]:
    """All usable ones: `redis-server`, `valkey-server` on PATH, the wheel's; the first is best.

    Raises:
        NoRedisError: there is none, or only older ones.
    """
    found = list(_candidates())
    usable = tuple(server for server in found if server.version >= MINIMUM)
    if not usable:
        too_old = [f" ({server.path} is no Redis of version 6.2 or later.)" for server in found]
        raise NoRedisError(f"No Redis was found: {_advice()}{''.join(too_old)}")
    return usable


def _candidates() -> Iterator[Server]:
    for path in (on_path("redis-server"), on_path("valkey-server"), in_wheel()):
        if path is not None:
            yield server_at(path)


def _advice() -> str:
    why = without_wheel_here()
    if not why:
        return (
            "run `make run` in the project's directory, which installs one, or install the package "
            "redis-server or valkey-server, or put the address of one into REDIS_URL."
        )
    package = "redis-server (`apt install redis-server`)"
    if glibc() is None:
        package = "valkey (`apk add valkey`)"
    return (
        f"there is no wheel with one for {why}. Install the package {package}, "
        "or put the address of one into REDIS_URL."
    )


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor out of `redis-server --version`; (0, 0) when there is none in it."""
    found = re.search(r"\bv=(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def server_at(path: str) -> Server:
    """That program with its version, (0, 0) when it does not say one."""
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, timeout=10, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return Server(path, (0, 0))
    return Server(path, parse_version(answer.stdout))


if __name__ == "__main__":
    # What a configuration says that was copied from an earlier sample.
    from services.launcher.sample_redis import main

    main(sys.argv[1:])
