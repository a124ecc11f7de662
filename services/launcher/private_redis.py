"""The Redis of a machine that has no other: its configuration, and the end of a former one."""

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.launcher.files import write_private
from services.launcher.kernel import command_line, is_alive
from services.launcher.programs import Program
from services.launcher.redis_conf import PASSWORD, conf_text, conf_value, new_password, quoted
from shared.errors import DumbError
from shared.redis_url import RedisAddress

FIRST_PORT: Final = 6390
"""Away from 6379, where a Redis of the user's own may come and go."""

PORTS_TRIED: Final = 200
UNIX_PATH_BYTES: Final = 100
"""The kernel takes 107 bytes; a longer path means no socket, not an error."""

OLD_ONE_ENDS_S: Final = 30.0

CONF: Final = """\
# Written by `dumb up` at each start; changes are lost. `port` and `requirepass` are read back.
bind 127.0.0.1
port {port}
{unixsocket}
requirepass {password}
dir {directory}
pidfile {pidfile}
logfile {logfile}
daemonize no
databases 16
tcp-keepalive 60
appendonly yes
appendfsync everysec
# Streams of log lines make the file grow fast: rewrite it rarely, and do not wait for fsync then.
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 128mb
no-appendfsync-on-rewrite yes
save ""
maxmemory-policy noeviction
client-output-buffer-limit pubsub 64mb 32mb 60
"""


@dataclass(frozen=True, slots=True)
class PrivateRedis:
    """A Redis that is ours: what to run, and how to reach it."""

    binary: str
    conf: Path
    log: Path
    tcp: RedisAddress
    unix: RedisAddress | None

    @property
    def program(self) -> Program:
        """Started first, stopped last, and ended by the kernel if the launcher dies."""
        return Program("redis", (self.binary, str(self.conf)), stop_rank=9, stop_s=30.0)

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of its log, for the message that it did not start."""
        try:
            text = self.log.read_bytes()[-4096:].decode("utf-8", "replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def data_directory(home: Path) -> Path:
    """Where the private Redis of this DUMB_HOME keeps its data, configuration and socket."""
    return home / "redis"


def prepare(home: Path, binary: str) -> PrivateRedis:
    """Write the configuration, with the port and the password of the last run if there was one.

    Raises:
        OSError: the data directory cannot be written.
        DumbError: no free port, or a path that a redis.conf cannot hold.
    """
    directory, log = data_directory(home), home / "log" / "redis.log"
    for needed in (directory, log.parent):
        needed.mkdir(mode=0o700, parents=True, exist_ok=True)
    conf, socket_path = directory / "redis.conf", directory / "redis.sock"
    old = conf_text(conf)
    password = conf_value(old, "requirepass", PASSWORD) or new_password()
    tcp = RedisAddress(
        port=_port(conf_value(old, "port", r"[0-9]{1,5}")), user="default", password=password
    )
    short = len(os.fsencode(socket_path)) <= UNIX_PATH_BYTES
    text = CONF.format(
        port=tcp.port,
        unixsocket=f"unixsocket {quoted(socket_path)}\nunixsocketperm 700" if short else "",
        password=password,
        directory=quoted(directory),
        pidfile=quoted(directory / "redis.pid"),
        logfile=quoted(log),
    )
    write_private(conf, text.encode())
    unix = RedisAddress(path=str(socket_path), user="default", password=password)
    return PrivateRedis(binary, conf, log, tcp, unix if short else None)


def end_former(home: Path, pause: Callable[[float], None] = time.sleep) -> None:
    """End a private Redis that a killed launcher left behind: two cannot share one file.

    The kernel has sent it SIGTERM already (see `kernel.dies_with_parent`), so mostly this waits.

    Raises:
        DumbError: it is still there after `OLD_ONE_ENDS_S`.
    """
    directory = data_directory(home)
    text = conf_text(directory / "redis.pid").strip()
    pid = int(text) if text.isdecimal() else 0
    deadline = time.monotonic() + OLD_ONE_ENDS_S
    asked = False
    while pid and _is_ours(pid, directory):
        if not asked:
            os.kill(pid, signal.SIGTERM)
            asked = True
        if time.monotonic() > deadline:
            raise DumbError(f"The Redis of the last run (pid {pid}) does not end: kill it first.")
        pause(0.05)


def _is_ours(pid: int, directory: Path) -> bool:
    # A running redis-server shows `redis-server 127.0.0.1:6390` as its command line, so its
    # working directory (`dir`) tells whose it is.
    try:
        at_home = Path(f"/proc/{pid}/cwd").resolve() == directory.resolve()
    except OSError:
        return False
    return at_home and is_alive(pid) and b"-server" in command_line(pid)


def _port(last: str) -> int:
    wanted: int = int(last) if last and 0 < int(last) < 65536 else FIRST_PORT
    candidates: list[int] = [wanted, *range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)]
    for port in candidates:
        if _free(port):
            return port
    raise DumbError(f"No port from {FIRST_PORT} upward is free for the private Redis.")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
