"""`python -m services.metrics`: measures the host and the services."""

import logging
import sys

import uvloop

from services.metrics.app import Collector
from shared import ownlog
from shared.bus.access import find_refusal
from shared.errors import DumbError
from shared.lock import take_lock
from shared.memory import close_memory
from shared.settings import Settings, SettingsError, load_settings

_log = logging.getLogger("services.metrics")


async def _run(settings: Settings) -> int:
    refusal = await find_refusal(settings.redis_url)
    if refusal is not None:
        _log.error("%s", refusal.sentence)
        return refusal.code
    return await Collector(settings).run()


def main() -> int:
    """Run until a signal; the exit code."""
    close_memory()
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ownlog.install(settings.log_level)
    try:
        # Never closed: one collector, or each service would be counted and kept twice.
        take_lock(settings.run_dir / "metrics.lock", "metrics collector", settings.home)
    except DumbError as error:
        _log.error("%s", error)
        return error.exit_code
    return uvloop.run(_run(settings))


if __name__ == "__main__":
    sys.exit(main())
