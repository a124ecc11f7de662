"""Which pages may drive the API while no login is required."""

import pytest

from services.api.origins import DEFAULT_ORIGINS, NOT_CONFIGURED, Origins, configured_origins

PAGES = Origins.of(
    [
        "https://dash.example",
        "http://0.0.0.0:3100",
        "HTTP://B\u00fccher.example:81/",
        "null",
        "app://x",
    ],
    4000,
)
HOST = "nas.lan:9000"


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        # Exactly a configured one.
        ("https://dash.example", HOST, True),
        ("https://dash.example:443", HOST, True),
        ("https://DASH.example", HOST, True),
        ("http://dash.example", HOST, False),
        ("https://dash.example:444", HOST, False),
        ("http://xn--bcher-kva.example:81", HOST, True),
        ("app://x", HOST, True),
        ("app://y", HOST, False),
        # A neighbor, or the host of a configured origin, at a port that is ours.
        ("http://192.168.1.10:8000", HOST, True),
        ("http://192.168.1.10:4000", HOST, True),
        ("https://192.168.1.10:3100", HOST, True),
        ("http://[fd00::1]:3100", HOST, True),
        ("http://[::ffff:10.0.0.1]:3100", HOST, True),
        ("http://nas:3100", HOST, True),
        ("http://dash.example:4000", HOST, True),
        ("http://192.168.1.10:3005", HOST, False),
        ("http://192.168.1.10", HOST, False),
        ("http://nas.lan:3101", HOST, False),
        ("http://localhost:5173", HOST, False),
        ("http://evil.example:3100", HOST, False),
        ("http://203.0.113.5:8000", HOST, False),
        # The page came from where the request goes.
        ("http://nas.lan:9000", HOST, True),
        ("http://NAS.lan.:9000", HOST, True),
        ("https://nas.lan", "nas.lan", True),
        ("http://nas.lan", "nas.lan:80", True),
        ("http://nas.lan:9000", "nas.lan", False),
        ("http://192.168.1.10:9000", HOST, False),
        ("https://dash.example:7", "dash.example:7", True),
        # No page that has an origin.
        ("null", HOST, False),
        ("", HOST, False),
        ("file://", HOST, False),
        ("http://", HOST, False),
        ("http://localhost.evil.example:3100", HOST, False),
        ("http://localhost@evil.example:3100", HOST, False),
        ("http://evil.example#localhost:3100", HOST, False),
        ("http://localhost:3100/", HOST, False),
        ("http://localhost:3100 http://evil.example", HOST, False),
        ("http://127.1:3100", HOST, False),
        ("http://a:b", HOST, False),
        ("chrome-extension://abc", HOST, False),
        # The host decides first.
        ("https://dash.example", "evil.example", False),
        ("http://evil.example:8000", "evil.example:8000", False),
    ],
)
def test_one_page(origin: str, host: str, allowed: bool) -> None:
    refusal = PAGES.refusal([host], [origin], 8000)
    assert (refusal is None) is allowed
    assert refusal is None or "dumb.frontend.origins" in refusal


@pytest.mark.parametrize(
    ("hosts", "origins", "allowed"),
    [
        (["localhost"], [], True),
        ([], [], False),
        (["localhost", "localhost"], [], False),
        (["localhost"], ["https://dash.example", "http://nas:3100"], True),
        (["localhost"], ["https://dash.example", "null"], False),
    ],
)
def test_how_many_headers(hosts: list[str], origins: list[str], allowed: bool) -> None:
    assert (PAGES.refusal(hosts, origins, 8000) is None) is allowed


def test_an_unknown_port_matches_nothing() -> None:
    assert not PAGES.allow("http://nas.lan", None)
    assert PAGES.allow("http://nas.lan:4000", None)


def test_what_is_not_configured() -> None:
    assert NOT_CONFIGURED.allow("http://192.168.1.10:3005", 8000)
    assert NOT_CONFIGURED.allow("http://localhost", 9000)
    assert not NOT_CONFIGURED.allow("http://192.168.1.10", 9000)


@pytest.mark.parametrize("port", [None, True, "4000", 0, -1, 70000, 3005.0, []])
def test_a_port_that_is_none(port: object) -> None:
    assert Origins.of(None, port).ports == {3005}


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("https://a.example ", {"https://a.example"}),
        (["https://a.example/", 5, "*", "https://a.example", " "], {"https://a.example"}),
        ("*", DEFAULT_ORIGINS),
        ([], DEFAULT_ORIGINS),
        (None, DEFAULT_ORIGINS),
        ({"a": 1}, DEFAULT_ORIGINS),
    ],
)
def test_configured_origins(value: object, origins: set[str]) -> None:
    assert configured_origins(value) == origins
