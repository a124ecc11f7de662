"""The Redis of the sample configuration: `python -m services.launcher.sample_redis OPTIONS`.

Every user of the machine can connect to its port, and a client that may say CONFIG, MODULE or
REPLICAOF to a Redis makes it write any file, or run any code, as its user. So it has a password of
its own, made at the first start, and the commands for that do not exist in it.

The password is in `redis.conf` in the working directory (the service's `config_dir`), which only
the service's user may read. It is no argument, because `ps` shows those to everyone.
"""

import os
import sys
from pathlib import Path
from typing import Final, NoReturn

from services.launcher.files import write_private
from services.launcher.redis_binary import redis_servers
from services.launcher.redis_conf import PASSWORD, conf_text, conf_value, new_password
from shared.errors import DumbError

FORBIDDEN: Final = ("CONFIG", "MODULE", "DEBUG", "SLAVEOF", "REPLICAOF")
"""Renamed to nothing, which no user of Redis and no script gets around; an ACL could be changed."""

CONF: Final = Path("redis.conf")


def write_conf(path: Path) -> None:
    """Write the configuration, with the password of the last run if there was one.

    Raises:
        OSError: it cannot be written.
    """
    password = conf_value(conf_text(path), "requirepass", PASSWORD) or new_password()
    lines = [
        "# Written at each start; changes are lost. `requirepass` is read back.",
        f"requirepass {password}",
        *(f'rename-command {command} ""' for command in FORBIDDEN),
    ]
    write_private(path, "".join(f"{line}\n" for line in lines).encode())


def main(options: list[str]) -> NoReturn:
    """Become that server; `options` (`--port`, `--bind`, …) complete its configuration.

    Exits with a sentence when there is no Redis, or its configuration cannot be written.
    """
    try:
        binary = redis_servers()[0].path
        write_conf(CONF)
    except DumbError as error:
        sys.exit(f"{error}")
    except OSError as error:
        sys.exit(f"{CONF.absolute()} cannot be written: {error.strerror}.")
    os.execv(binary, [binary, str(CONF), *options])  # noqa: S606 - to become it is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
