"""Environment to settings. Built once in each program's `__main__` and passed down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.errors import DumbError


class SettingsError(DumbError):
    """An environment variable holds something unusable."""

    code = "settings"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment decides. Every name is documented in docs/configuration.md."""

    home: Path
    config_path: Path
    redis_url: str
    redis_prefix: str
    api_host: str | None
    api_port: int | None
    log_level: str
    auth_config_path: Path | None = None
    jwt_secret: str = field(default="", repr=False)
    """Of this program alone; "" means the one that the supervisor keeps in users.json."""
    api_token: str = field(default="", repr=False)
    """What the command line sends along."""
    access_token_minutes: int = 60
    refresh_token_days: int = 30

    @property
    def users_path(self) -> Path:
        """The file of accounts; only the supervisor opens it."""
        return self.auth_config_path or self.home / "users.json"

    @property
    def run_dir(self) -> Path:
        """Lock, journal, FIFOs and spools: what a supervisor leaves for its successor."""
        return self.home / "run"

    @property
    def log_dir(self) -> Path:
        """Log files of services whose block names none."""
        return self.home / "log"

    @property
    def redis_url_file(self) -> Path:
        """Where `dumb up` leaves the URL of the Redis in use, for `redis-cli -u`."""
        return self.home / "redis.url"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this program.

    Raises:
        SettingsError: a variable holds a value of the wrong form; the message names it.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("DUMB_HOME") or "var").expanduser().absolute()
    url = env.get("REDIS_URL", "").strip() or _read_url(home / "redis.url")
    return Settings(
        home=home,
        config_path=Path(env.get("DUMB_CONFIG") or home / "dumb_config.json").absolute(),
        redis_url=url,
        redis_prefix=env.get("DUMB_REDIS_PREFIX") or "dumb:",
        api_host=env.get("DUMB_API_SERVICE_HOST", "").strip() or None,
        api_port=_port(env.get("DUMB_API_SERVICE_PORT", "")),
        log_level=_level(env.get("DUMB_LOG_LEVEL", "")),
        auth_config_path=_path(env.get("DUMB_AUTH_CONFIG_PATH", "")),
        jwt_secret=_secret(env),
        api_token=env.get("DUMB_TOKEN", "").strip(),
        access_token_minutes=_count(env, "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", 60),
        refresh_token_days=_count(env, "JWT_REFRESH_TOKEN_EXPIRE_DAYS", 30),
    )


MIN_SECRET_BYTES: Final = 32
_MAX_COUNT: Final = 1_000_000


def _secret(env: Mapping[str, str]) -> str:
    """`DUMB_JWT_SECRET`, else what stands in the file that `DUMB_JWT_SECRET_FILE` names."""
    name, secret = "DUMB_JWT_SECRET", env.get("DUMB_JWT_SECRET", "").strip()
    file = env.get("DUMB_JWT_SECRET_FILE", "").strip()
    if not secret and file:
        name = "DUMB_JWT_SECRET_FILE"
        try:
            secret = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}: {file} cannot be read ({error}).") from error
    if (secret or file) and len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"{name} is shorter than {MIN_SECRET_BYTES} bytes: use `openssl rand -base64 32`."
        )
    return secret


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:9]) < _MAX_COUNT:
        raise SettingsError(f"{name} is '{text[:40]}': use a number from 1 to {_MAX_COUNT - 1}.")
    return int(text)


def _path(text: str) -> Path | None:
    return Path(text.strip()).expanduser().absolute() if text.strip() else None


def _read_url(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _port(text: str) -> int | None:
    if not text.strip():
        return None
    if not text.strip().isdecimal() or not 0 < int(text) < 65536:
        raise SettingsError(f"DUMB_API_SERVICE_PORT is '{text}', not a port (1 to 65535).")
    return int(text)


def _level(text: str) -> str:
    level = (text.strip() or "INFO").upper()
    if level not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        raise SettingsError(f"DUMB_LOG_LEVEL is '{text}': use DEBUG, INFO, WARNING or ERROR.")
    return level
