"""Environment to settings. Built once in each program's `__main__` and passed down."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shared.errors import DumbError
from shared.exits import Exit
from shared.redis_url import parse_redis_url


class SettingsError(DumbError):
    """An environment variable holds something unusable."""

    code = "settings"
    exit_code = Exit.CONFIG


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
    log_level_given: bool = False
    """Whether the environment says it, or it is the default."""
    auth_config_path: Path | None = None
    jwt_secret: str = field(default="", repr=False)
    """Of this program alone; "" means the one that the supervisor keeps in users.json."""
    setup_code: str = field(default="", repr=False)
    """What the API asks for while there is no account, and the command line sends; "" for none."""
    api_token: str = field(default="", repr=False)
    """What the command line sends along."""
    api_url: str = ""
    """Where the command line finds the API; "" means where this machine's one listens."""
    drain_s: float = 0.0
    """How long the API goes on serving after SIGTERM, while `/readyz` is red."""
    trusted_proxies: str = "127.0.0.1,::1"
    """Addresses and networks whose `X-Forwarded-For` the API believes."""
    service_user: tuple[int, int] | None = None
    """User and group id of services whose configuration names none, under a root supervisor; None
    for the supervisor's own."""
    proxies_given: bool = False
    """Whether the environment names proxies; `*` names none."""
    access_token_minutes: int = 60
    refresh_token_days: int = 30
    tls_cert: Path | None = None
    """PEM file with the certificate that the API shows, and its chain."""
    tls_key: Path | None = None
    """PEM file with its key. Both are set, or neither."""
    tls_ca: Path | None = None
    """PEM file of authorities that the command line trusts beside the system's."""
    hsts: bool = False
    """Whether answers over TLS forbid browsers everything else for the host name."""

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

    @property
    def api_tls_file(self) -> Path:
        """Where `dumb up` leaves the path of the API's certificate while the API speaks TLS."""
        return self.home / "api.tls"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of this program.

    Raises:
        SettingsError: a variable holds a value of the wrong form; the message names it.
    """
    env = os.environ if environ is None else environ
    home = Path(env.get("DUMB_HOME") or "var").expanduser().absolute()
    url = env.get("REDIS_URL", "").strip()
    url = _with_secrets(url, env) if url else _read_url(home / "redis.url")
    tls_cert, tls_key = _tls_pair(env)
    return Settings(
        home=home,
        config_path=Path(env.get("DUMB_CONFIG") or home / "dumb_config.json").absolute(),
        redis_url=url,
        redis_prefix=env.get("DUMB_REDIS_PREFIX") or "dumb:",
        api_host=env.get("DUMB_API_SERVICE_HOST", "").strip() or None,
        api_port=_port(env.get("DUMB_API_SERVICE_PORT", "")),
        log_level=_level(env.get("DUMB_LOG_LEVEL", "")),
        log_level_given=bool(env.get("DUMB_LOG_LEVEL", "").strip()),
        auth_config_path=_path(env.get("DUMB_AUTH_CONFIG_PATH", "")),
        jwt_secret=_secret(env),
        setup_code=_setup_code(env),
        api_token=env.get("DUMB_TOKEN", "").strip(),
        api_url=env.get("DUMB_API_URL", "").strip().rstrip("/"),
        drain_s=_seconds(env, "DUMB_API_DRAIN_S"),
        trusted_proxies=env.get("DUMB_TRUSTED_PROXIES", "").strip() or "127.0.0.1,::1",
        service_user=_service_user(env.get("DUMB_SERVICE_USER", "")),
        proxies_given=env.get("DUMB_TRUSTED_PROXIES", "").strip() not in {"", "*"},
        access_token_minutes=_count(env, "JWT_ACCESS_TOKEN_EXPIRE_MINUTES", 60),
        refresh_token_days=_count(env, "JWT_REFRESH_TOKEN_EXPIRE_DAYS", 30),
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=_path(env.get("DUMB_TLS_CA", "")),
        hsts=_switch(env, "DUMB_HSTS"),
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


def _tls_pair(env: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    """`DUMB_TLS_CERT` and `DUMB_TLS_KEY`. They are read by what serves (shared/tls.py)."""
    cert, key = _path(env.get("DUMB_TLS_CERT", "")), _path(env.get("DUMB_TLS_KEY", ""))
    if (cert is None) != (key is None):
        there, absent = ("CERT", "KEY") if key is None else ("KEY", "CERT")
        raise SettingsError(f"DUMB_TLS_{there} is set without DUMB_TLS_{absent}: set both.")
    return cert, key


def _switch(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "").strip() or "0"
    if text not in {"0", "1"}:
        raise SettingsError(f"{name} is '{text[:40]}': use 1 or 0.")
    return text == "1"


_MAX_CODE: Final = 200


def _setup_code(env: Mapping[str, str]) -> str:
    """`DUMB_SETUP_CODE`, else what stands in the file that `DUMB_SETUP_CODE_FILE` names."""
    name, code = "DUMB_SETUP_CODE", env.get("DUMB_SETUP_CODE", "").strip()
    file = env.get("DUMB_SETUP_CODE_FILE", "").strip()
    if not code and file:
        name = "DUMB_SETUP_CODE_FILE"
        code = _read_secret(name, file)
    if not (code.isascii() and code.isprintable()) or len(code) > _MAX_CODE:
        raise SettingsError(
            f"{name} goes into a header: use up to {_MAX_CODE} printable ASCII characters, "
            "such as those of `openssl rand -hex 12`."
        )
    return code


_TLS_FILES: Final = {
    "ssl_ca_certs": "DUMB_REDIS_CA_FILE",
    "ssl_certfile": "DUMB_REDIS_CERT_FILE",
    "ssl_keyfile": "DUMB_REDIS_KEY_FILE",
}
"""Options of redis-py's URLs, and the variables that fill them."""


def _with_secrets(url: str, env: Mapping[str, str]) -> str:
    """The URL completed by what is kept in files; untouched when nothing is."""
    named = {name: env.get(name, "").strip() for name in _TLS_FILES.values()}
    file = env.get("DUMB_REDIS_PASSWORD_FILE", "").strip()
    if not file and not any(named.values()):
        return url
    try:
        address = parse_redis_url(url)
    except ValueError as error:
        raise SettingsError(f"REDIS_URL cannot be used: {error}.") from error
    for name, path in named.items():
        if path and not address.tls:
            raise SettingsError(f"{name} is set, but REDIS_URL does not begin with rediss://.")
        if path:
            _read_secret(name, path)
    options = {option: named[name] for option, name in _TLS_FILES.items() if named[name]}
    password = _read_secret("DUMB_REDIS_PASSWORD_FILE", file) if file else ""
    return address.with_secrets(password, options).to_url()


def _read_secret(name: str, file: str) -> str:
    """The text of the file that the variable `name` names; an empty one is refused."""
    try:
        text = Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {file} cannot be read ({error}).") from error
    if not text:
        raise SettingsError(f"{name}: {file} is empty.")
    return text


MOST_DRAIN_S: Final = 4.0
"""With the seconds for open requests after it, a replica ends within 8 s; Docker waits 10."""


def _seconds(env: Mapping[str, str], name: str) -> float:
    text = env.get(name, "").strip() or "0"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MOST_DRAIN_S:
        raise SettingsError(f"{name} is '{text[:40]}': use 0 to {MOST_DRAIN_S:g} seconds.")
    return value


def _count(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdecimal() or not 0 < int(text[:9]) < _MAX_COUNT:
        raise SettingsError(f"{name} is '{text[:40]}': use a number from 1 to {_MAX_COUNT - 1}.")
    return int(text)


_MAX_ID: Final = 2**32 - 2


def _service_user(text: str) -> tuple[int, int] | None:
    """`uid:gid`; `0:0` is the same as nothing."""
    if text.strip() in {"", "0:0"}:
        return None
    ids = [int(part) for part in text.strip().split(":") if part.isascii() and part.isdecimal()]
    if text.count(":") != 1 or len(ids) != 2 or not all(0 < one <= _MAX_ID for one in ids):
        raise SettingsError(
            f"DUMB_SERVICE_USER is '{text[:40]}': use a user and a group id, such as 1000:1000."
        )
    return ids[0], ids[1]


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
