"""Finds a redis-server. `python -m services.launcher.redis_binary ARGS` becomes that server."""

import os
import re
import subprocess
import sys
from typing import Final, NoReturn

from shared.errors import DumbError
from shared.redis_tools import in_wheel, on_path

MINIMUM: Final = (6, 2)
"""Streams and scripts here rely on commands of Redis 6.2; every Valkey is newer."""


class NoRedisError(DumbError):
    """This machine has no usable redis-server."""

    code = "no_redis"


def find_redis_server() -> str:
    """Path of the first usable one: `redis-server` or `valkey-server` on PATH, the wheel's.

    Raises:
        NoRedisError: there is none, or only older ones.
    """
    too_old = ""
    for candidate in (on_path("redis-server"), on_path("valkey-server"), in_wheel("redis-server")):
        if candidate is None:
            continue
        version = _version(candidate)
        if version >= MINIMUM:
            return candidate
        too_old = f" ({candidate} is no Redis of version 6.2 or later.)"
    raise NoRedisError(
        "No Redis was found: install redis-server or valkey-server, or put the address of one "
        f"into REDIS_URL.{too_old}"
    )


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor out of `redis-server --version`; (0, 0) when there is none in it."""
    found = re.search(r"\bv=(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _version(binary: str) -> tuple[int, int]:
    try:
        answer = subprocess.run(
            [binary, "--version"], capture_output=True, timeout=10, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return (0, 0)
    return parse_version(answer.stdout)


def main(arguments: list[str]) -> NoReturn:
    """Replace this process by a redis-server; `--where` prints its path instead.

    Without one it exits with a sentence.
    """
    try:
        binary = find_redis_server()
    except NoRedisError as error:
        sys.exit(f"{error}")
    if arguments == ["--where"]:
        print(binary)
        sys.exit(0)
    os.execv(binary, [binary, *arguments])  # noqa: S606 - to become the server is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
