"""Where this replica listens."""

import asyncio
import logging
from typing import Final

from redis.exceptions import RedisError

from services.api.configuration import ConfigAwayError, ConfigReader
from shared.api_address import address_in, api_address
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from shared.settings import Settings

_log = logging.getLogger(__name__)

WAIT_S: Final = 5.0
"""How long the supervisor gets to publish a configuration at the start."""
PAUSE_S: Final = 0.05


async def find_address(settings: Settings, wait_s: float = WAIT_S) -> tuple[str, int]:
    """Host and port: environment, then the published configuration, then the live file.

    A replica on another machine has no file: what none of them tells is 127.0.0.1:8000.
    """
    if settings.api_host and settings.api_port:
        return settings.api_host, settings.api_port
    redis = commands_client(settings.redis_url, "dumb-api-start", 1)
    reader = ConfigReader(redis, Keys(settings.redis_prefix), lambda: 0)
    try:
        async with asyncio.timeout(wait_s):
            while True:
                try:
                    return address_in((await reader.read()).effective, settings)
                except (ConfigAwayError, RedisError, OSError):
                    await asyncio.sleep(PAUSE_S)
    except TimeoutError:
        found = api_address(settings)
        _log.warning("No configuration is published yet: listening on %s port %d", *found)
        return found
    finally:
        await redis.aclose(close_connection_pool=True)
