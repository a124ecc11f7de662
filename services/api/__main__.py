"""`python -m services.api`: one replica of the API."""

import asyncio
import logging
import sys

import uvloop

from services.api.address import find_address
from services.api.app import create_app
from services.api.auth.service import AuthOptions
from services.api.certificate import Certificate
from services.api.roster import raise_descriptor_limit
from services.api.server import ListenError, serve
from shared import ownlog
from shared.bus.access import find_refusal
from shared.bus.keys import Keys
from shared.bus.log_level import LevelFollower
from shared.exits import Exit
from shared.memory import close_memory
from shared.settings import Settings, SettingsError, load_settings

_log = logging.getLogger("services.api")


def main() -> int:
    """Serve until a signal; the exit code."""
    close_memory()
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ownlog.install(settings.log_level)
    raise_descriptor_limit()  # nothing is started here that could inherit it
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings))
    except (ListenError, SettingsError) as error:
        _log.error("%s", error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


async def _serve(settings: Settings) -> int:
    refusal = await find_refusal(settings.redis_url)
    if refusal is not None:
        _log.error("%s", refusal.sentence)
        return refusal.code
    certificate = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        certificate = Certificate(settings.tls_cert, settings.tls_key)
    host, port = await find_address(settings)
    app = create_app(
        settings.redis_url,
        Keys(settings.redis_prefix),
        auth_options=AuthOptions(
            secret=settings.jwt_secret,
            access_s=settings.access_token_minutes * 60,
            refresh_s=settings.refresh_token_days * 86400,
            setup_code=settings.setup_code,
        ),
        hsts=settings.hsts,
    )
    level = asyncio.create_task(LevelFollower(app.state.redis, settings, "dumb-api").run())
    await serve(
        app,
        host,
        port,
        drain_s=settings.drain_s,
        trusted=settings.trusted_proxies,
        certificate=certificate,
    )
    level.cancel()
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
