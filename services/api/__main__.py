"""`python -m services.api`: one replica of the API."""

import asyncio
import logging
import sys

import uvloop

from services.api import ownlog
from services.api.address import find_address
from services.api.app import create_app
from services.api.auth.service import AuthOptions
from services.api.server import ListenError, serve
from shared.bus.keys import Keys
from shared.redis_url import parse_redis_url
from shared.settings import Settings, SettingsError, load_settings

POINTLESS = 78
"""Exit code (EX_CONFIG): starting this again without a change is pointless."""

_log = logging.getLogger("services.api")


def main() -> int:
    """Serve until a signal; the exit code."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return POINTLESS
    ownlog.install(settings.log_level)
    problem = _redis_problem(settings)
    if problem:
        _log.error("%s", problem)
        return POINTLESS
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except ListenError as error:
        _log.error("%s", error)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(settings: Settings) -> None:
    host, port = await find_address(settings)
    app = create_app(
        settings.redis_url,
        Keys(settings.redis_prefix),
        bind_host=host,
        auth_options=AuthOptions(
            secret=settings.jwt_secret,
            access_s=settings.access_token_minutes * 60,
            refresh_s=settings.refresh_token_days * 86400,
        ),
    )
    await serve(app, host, port)


def _redis_problem(settings: Settings) -> str:
    if not settings.redis_url:
        return "No Redis: set REDIS_URL, or start everything with `dumb up`."
    try:
        parse_redis_url(settings.redis_url)
    except ValueError as error:
        return f"REDIS_URL cannot be used: {error}."
    return ""


if __name__ == "__main__":
    sys.exit(main())
