"""Redis URLs taken apart with the standard library, for programs that do without redis-py."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis is and how to log in. `path` is a unix socket, and then host and port idle."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    tls: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """For people: the address without its password."""
        return self.path or f"{self.host}:{self.port}"

    def to_url(self) -> str:
        """The form that redis-py takes; over TCP `redis-cli -u` takes it too.

        The user is always named: `redis-cli` fails with WRONGPASS on `redis://:password@`.
        """
        login = ""
        if self.password:
            login = f"{quote(self.user or 'default', safe='')}:{quote(self.password, safe='')}@"
        options = urlencode(self.options)
        if self.path:
            options = f"&{options}" if options else ""
            return f"unix://{login}{quote(self.path)}?db={self.db}{options}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        options = f"?{options}" if options else ""
        return f"redis{'s' if self.tls else ''}://{login}{host}:{self.port}/{self.db}{options}"

    def with_secrets(self, password: str, files: Mapping[str, str]) -> "RedisAddress":
        """The same with what came in files: a password ("" keeps the present one), TLS options."""
        return replace(self, password=password or self.password, options={**self.options, **files})


def parse_redis_url(url: str) -> RedisAddress:
    """Parse `redis://`, `rediss://` or `unix://`, as redis-py reads them.

    Raises:
        ValueError: it is none of them. The message is a sentence without the password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        options = dict(parse_qsl(parts.query))
        number = options.pop("db", "") or ("" if parts.scheme == "unix" else parts.path.strip("/"))
        db = int(number or 0)
    except ValueError as error:
        raise ValueError("it has a bad port, host or database number") from error
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("it does not begin with redis://, rediss:// or unix://")
    path = unquote(parts.path) if parts.scheme == "unix" else ""
    if parts.scheme == "unix" and not path:
        raise ValueError("it names no socket path after unix://")
    return RedisAddress(
        host=parts.hostname or "localhost",
        port=port or 6379,
        path=path,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        db=db,
        tls=parts.scheme == "rediss",
        options=options,
    )
