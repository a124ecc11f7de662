"""`python -m services.supervisor`: starts services, watches them, executes commands."""

import logging
import os
import sys

import uvloop

from services.supervisor.app import AlreadyRunningError, Supervisor
from services.supervisor.ownlog import install
from shared.errors import ConfigError, DumbError
from shared.settings import load_settings

POINTLESS = 78
"""Exit code (EX_CONFIG): starting this again without a change is pointless."""

_log = logging.getLogger("services.supervisor")


async def _run() -> int:
    settings = load_settings()
    own_log = install(settings.log_level)
    if not settings.redis_url:
        _log.error("No Redis: set REDIS_URL, or start everything with `dumb up`.")
        return POINTLESS
    try:
        supervisor = Supervisor(settings, os.environ, own_log)
    except (ConfigError, AlreadyRunningError) as error:
        _log.error("%s", error)
        return POINTLESS
    except DumbError as error:
        _log.error("%s", error)
        return 1
    except OSError as error:
        _log.error("The data directory %s cannot be used: %s", settings.home, error)
        return POINTLESS
    return await supervisor.run()


def main() -> int:
    """Run until a signal; the exit code."""
    os.umask(0o027)
    try:
        return uvloop.run(_run())
    except DumbError as error:
        sys.stderr.write(f"{error}\n")
        return POINTLESS


if __name__ == "__main__":
    sys.exit(main())
