"""`python -m services.launcher.health NAME ...`: exit code 0 while these programs of ours are well.

For a container's health check, which runs beside the program. The API is asked over HTTP. The
others have no port: their sign of life in Redis ends by itself when they stop giving it, and names
the process that gave it. Nobody is unwell because Redis is away: then the process must be there.
"""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Final, cast

from redis.exceptions import RedisError

from services.launcher.api_port import is_live
from services.launcher.kernel import command_line, is_alive
from services.launcher.programs import NAMES
from shared.api_address import api_address, api_certificate
from shared.bus.client import commands_client
from shared.bus.jobs import live_programs
from shared.bus.keys import Keys
from shared.errors import DumbError
from shared.settings import Settings, load_settings

ANSWER_S: Final = 2.0


def main(names: list[str]) -> int:
    """Returns 0 when all are well, 1 with a sentence for each that is not."""
    try:
        settings = load_settings()
    except DumbError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    unwell = [name for name in names if not is_well(name, settings)]
    for name in unwell:
        sys.stderr.write(f"{name} is not well: its log says more.\n")
    return 1 if unwell else 0


def is_well(name: str, settings: Settings) -> bool:
    """Whether one of NAMES answers, or gave a sign of life lately."""
    if name == "api":
        host, port = api_address(settings)
        return is_live(host, port, ANSWER_S, tls=api_certificate(settings) is not None)
    if name not in NAMES:
        raise ValueError(f"{name} is none of {', '.join(NAMES)}")
    try:
        pids = asyncio.run(_signed(name, settings))
    except (RedisError, OSError):
        return any(_is(int(entry.name), name) for entry in Path("/proc").glob("[0-9]*"))
    return any(_is(pid, name) for pid in pids)


async def _signed(name: str, settings: Settings) -> set[int]:
    """Pids in the signs of life of a program on this host."""
    keys = Keys(settings.redis_prefix)
    redis = commands_client(settings.redis_url, "dumb-health", 1)
    try:
        async with asyncio.timeout(ANSWER_S):
            if name == "jobs":
                raw = cast("dict[bytes, bytes]", await redis.hgetall(keys.jobs_programs))
                seconds, _ = await redis.time()
                here = socket.gethostname()
                programs = live_programs(raw, seconds).values()
                return {p["pid"] for p in programs if p.get("node") == here}
            key = keys.supervisor if name == "supervisor" else keys.metrics_collector
            found = cast("bytes | None", await redis.hget(key, "pid"))
            return {int(found)} if found and found.isdigit() else set()
    finally:
        await redis.aclose(close_connection_pool=True)


def _is(pid: int, name: str) -> bool:
    return is_alive(pid) and f"services.{name}".encode() in command_line(pid).split(b"\0")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
