"""Addresses that several programs read: of Redis and of the API."""

from pathlib import Path

import pytest
from redis import ConnectionPool

from shared.api_address import api_address, http_base
from shared.redis_url import RedisAddress, parse_redis_url
from shared.settings import load_settings

URLS = [
    "redis://localhost",
    "redis://:p%40ss@10.0.0.1:7000/3",
    "redis://ann:pw@redis.example:6380/0",
    "redis://default:pw@127.0.0.1:6390?db=2",
    "redis://[::1]:6379/1",
    "rediss://default:pw@redis.example:6390/0?ssl_cert_reqs=none",
    "unix:///run/redis.sock",
    "unix://default:pw@/run/my%20redis.sock?db=1",
]


@pytest.mark.parametrize("url", URLS)
def test_urls_are_read_as_redis_py_reads_them(url: str) -> None:
    theirs = ConnectionPool.from_url(url).connection_kwargs
    ours = parse_redis_url(url)
    assert ours.path == theirs.get("path", "")
    if not ours.path:
        assert (ours.host, ours.port) == (theirs["host"], theirs.get("port", 6379))
    assert (ours.user, ours.password) == (theirs.get("username", ""), theirs.get("password", ""))
    assert ours.db == theirs.get("db", 0)
    # And our own spelling of it means the same again.
    again = parse_redis_url(ours.to_url())
    assert (again.place, again.password, again.db, again.tls) == (
        ours.place,
        ours.password,
        ours.db,
        ours.tls,
    )


def test_our_spelling_names_the_user() -> None:
    assert parse_redis_url("redis://:p@h:1").to_url() == "redis://default:p@h:1/0"
    assert "p" not in repr(RedisAddress(host="h", password="p")).replace("port", "").replace(
        "path", ""
    ).replace("options", "")


@pytest.mark.parametrize(
    "url", ["", "http://x", "redis://h:notaport", "redis://h/notanumber", "unix://"]
)
def test_other_urls_are_refused_without_their_text(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        parse_redis_url(url)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ("127.0.0.1", 8000)),
        ('{"dumb": {"api_service": {"host": "::", "port": 8011}}}', ("::", 8011)),
        ('{"dumb": {"api_service": {"host": 7, "port": true}}}', ("127.0.0.1", 8000)),
        ('{"dumb": []}', ("127.0.0.1", 8000)),
        ("not JSON", ("127.0.0.1", 8000)),
    ],
)
def test_where_the_api_listens(
    tmp_path: Path, content: str | None, expected: tuple[str, int]
) -> None:
    if content is not None:
        (tmp_path / "dumb_config.json").write_text(content)
    settings = load_settings({"DUMB_HOME": str(tmp_path)})
    assert api_address(settings) == expected
    environ = {"DUMB_HOME": str(tmp_path), "DUMB_API_SERVICE_PORT": "9000"}
    assert api_address(load_settings(environ)) == (expected[0], 9000)


def test_a_wildcard_is_reached_by_the_loopback() -> None:
    assert http_base(".".join("0000"), 8000) == "http://127.0.0.1:8000"
    assert http_base("::", 8000) == "http://[::1]:8000"
    assert http_base("media.lan", 80) == "http://media.lan:80"
