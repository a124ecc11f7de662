"""`python -m services.supervisor`: starts services, watches them, executes commands.

`--check` only says whether it could: its code can be loaded, its settings can be used, and Redis
does not refuse it.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from typing import Any

import uvloop

from services.supervisor.app import Supervisor
from services.supervisor.claim import Claim
from services.supervisor.config_mount import trouble_with
from services.supervisor.ownlog import install
from services.supervisor.session import cancelled
from services.supervisor.signals import Signals
from shared.bus.access import find_refusal
from shared.bus.keys import Keys
from shared.container import container_engine
from shared.errors import DumbError
from shared.exits import Exit
from shared.lock import former_holder, take_lock
from shared.memory import close_memory
from shared.ownership import close_secrets, take_over
from shared.settings import Settings, load_settings

_log = logging.getLogger("services.supervisor")


async def _run(*, only_check: bool) -> int:
    settings = load_settings()
    own_log = install(settings.log_level)
    refusal = await find_refusal(settings.redis_url)
    if refusal is not None:
        _log.error("%s", refusal.sentence)
        return refusal.code
    if only_check:
        return Exit.OK
    try:
        _close_to_services(settings)
        signals = Signals()
        lock_path = settings.run_dir / "supervisor.lock"
        former = former_holder(lock_path)
        lock = take_lock(lock_path, "supervisor", settings.home)  # never closed
        claim = Claim(settings, Keys(settings.redis_prefix), lock, former)
        # Before anything is read or begun: with a living one beside it, it must change nothing.
        if not await _unless(signals.stop, claim.win(settings.redis_url)):
            return Exit.HANDED_OVER if signals.handover else Exit.OK
        supervisor = Supervisor(settings, os.environ, own_log, signals, claim)
    except DumbError as error:
        _log.error("%s", error)
        return error.exit_code
    except OSError as error:
        _log.error(
            "The data directory %s cannot be used: %s. Mount a volume there that this user may "
            "write, or set DUMB_HOME to another directory.",
            settings.home,
            error.strerror or error,
        )
        return Exit.CANNOT_WRITE
    if trouble := trouble_with(settings.config_path):
        _log.warning("%s", trouble)
    return await supervisor.run()


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work; whether it came to its end before `stop` was set. Raises what it raises."""

    async def stopped() -> None:
        await stop.wait()

    waiting = asyncio.create_task(stopped())
    working = asyncio.create_task(work)
    await asyncio.wait({waiting, working}, return_when=asyncio.FIRST_COMPLETED)
    done = working.done()
    await cancelled(waiting)
    if not done:
        await cancelled(working)
        return False
    working.result()
    return True


def _close_to_services(settings: Settings) -> None:
    """Before the first service starts. Raises `OwnershipError`, `OSError`."""
    engine = container_engine()
    for sentence in take_over(settings, container=bool(engine)):
        _log.warning("%s", sentence)
    if engine and os.geteuid() == 0:
        try:
            close_secrets()
        except OSError as error:
            _log.warning("/run/secrets cannot be closed to services: %s.", error.strerror)


def main() -> int:
    """Run until a signal; the exit code."""
    close_memory()
    os.umask(0o027)
    try:
        return uvloop.run(_run(only_check="--check" in sys.argv[1:]))
    except DumbError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
