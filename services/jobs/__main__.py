"""`python -m services.jobs`: background work, by the clock and on request."""

import asyncio
import logging
import os
import sys

from services.jobs.functions import FUNCTIONS
from services.jobs.keeper import Keeper
from services.jobs.worker import run_worker
from shared import ownlog
from shared.bus.access import find_refusal
from shared.errors import DumbError
from shared.exits import Exit
from shared.memory import close_memory
from shared.settings import load_settings

_log = logging.getLogger("services.jobs")


def main() -> int:
    """Run until a signal; the exit code."""
    close_memory()
    os.umask(0o077)
    try:
        settings = load_settings()
    except DumbError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ownlog.install(settings.log_level)
    for noisy in ("rq", "rq.worker", "rq.job", "rq.registry", "httpx", "httpcore"):
        # RQ would tell each job four times; what matters of it is said in our own words.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    refusal = asyncio.run(find_refusal(settings.redis_url))
    if refusal is not None:
        _log.error("%s", refusal.sentence)
        return refusal.code
    keeper = os.getpid()
    try:
        return Keeper(
            settings, lambda queue, name: run_worker(settings, queue, name, FUNCTIONS, keeper)
        ).run()
    except DumbError as error:
        _log.error("%s", error)
        return error.exit_code
    except OSError as error:
        _log.error("The data directory %s cannot be used: %s.", settings.home, error)
        return Exit.CANNOT_WRITE


if __name__ == "__main__":
    sys.exit(main())
