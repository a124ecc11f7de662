"""`dumb redis-cli ARGS`: a client on the Redis in use."""

import os
import sys
from typing import Final, NoReturn

from shared.errors import DumbError
from shared.redis_tools import on_path
from shared.redis_url import RedisAddress, parse_redis_url
from shared.settings import Settings

TLS_OPTIONS: Final = {
    "ssl_ca_certs": "--cacert", "ssl_certfile": "--cert", "ssl_keyfile": "--key",
}  # fmt: skip
"""Options of redis-py's URLs, and what redis-cli calls them."""


def redis_cli(settings: Settings, arguments: list[str]) -> NoReturn:
    """Become redis-cli, logged in; where there is none, do what it does.

    Raises:
        DumbError: no Redis is known; without a redis-cli also: Redis cannot be used.
    """
    if not settings.redis_url:
        raise DumbError(
            f"No Redis is known: {settings.redis_url_file} is not there and REDIS_URL is not set. "
            "Start one with `make run` or `dumb up`."
        )
    try:
        address = parse_redis_url(settings.redis_url)
    except ValueError as error:
        raise DumbError(f"The Redis URL cannot be used: {error}.") from error
    binary = on_path("redis-cli", "valkey-cli")
    if binary is None:
        from services.cli.redis_prompt import RedisPrompt, parse_arguments

        wanted = parse_arguments(arguments, plain=not sys.stdout.isatty())
        sys.exit(RedisPrompt(address, wanted).run())
    argv = [binary, *login_options(address), *arguments]
    environ = {**os.environ, "REDISCLI_AUTH": address.password} if address.password else os.environ
    os.execve(binary, argv, dict(environ))  # noqa: S606 - to become redis-cli is the purpose


def login_options(address: RedisAddress) -> list[str]:
    """Options of redis-cli for this address, without the password: `ps` shows these to all."""
    if address.path:
        options = ["-s", address.path]
    else:
        options = ["-h", address.host, "-p", str(address.port)]
    if address.password:
        options += ["--user", address.user or "default"]
    if address.tls:
        options.append("--tls")
        for name, option in TLS_OPTIONS.items():
            if name in address.options:
                options += [option, address.options[name]]
    return [*options, "-n", str(address.db)] if address.db else options
