"""Who may embed `/scalar`, and what every other answer forbids."""

import pytest

from services.api.policy import DEFAULT, SWAGGER, scalar_policy


def ancestors(origins: set[str], host: str) -> str:
    directives = dict(d.split(" ", 1) for d in scalar_policy(origins, host).split("; "))
    assert directives["default-src"] == "'self'"
    return directives["frame-ancestors"]


def test_everything_else_is_never_embedded() -> None:
    for policy in (DEFAULT, SWAGGER):
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("origin", "host", "source"),
    [
        ("https://dash.example", "nas:8000", "https://dash.example"),
        ("https://dash.example:444/x?y", "nas:8000", "https://dash.example:444"),
        ("http://0.0.0.0:3005", "nas.lan:8000", "http://nas.lan:3005"),
        ("http://0.0.0.0:3005", "192.168.1.5", "http://192.168.1.5:3005"),
        ("http://[::]:3005", "NAS:8000", "http://nas:3005"),
        ("https://0.0.0.0", "nas:8000", "https://nas"),
        # CSP has no form for these.
        ("http://0.0.0.0:3005", "[::1]:8000", None),
        ("http://[fe80::1]:3005", "nas", None),
        # Neither a header nor the configuration adds a directive or a source.
        ("http://0.0.0.0:3005", "nas;script-src:1", None),
        ("http://0.0.0.0:3005", "*", None),
        ("http://0.0.0.0:3005", "a b", None),
        ("http://0.0.0.0:3005", "", None),
        ("http://0.0.0.0:3005", "x" * 300, None),
        ("http://*:3005", "nas", None),
        ("http://a b", "nas", None),
        ("http://a; script-src *", "nas", None),
        ("http://a:b", "nas", None),
        ("http://[", "nas", None),
        ("file:///etc", "nas", None),
        ("null", "nas", None),
        ("nas:3005", "nas", None),
    ],
)
def test_a_configured_origin(origin: str, host: str, source: str | None) -> None:
    assert ancestors({origin}, host) == ("'self'" if source is None else f"'self' {source}")


def test_several_stand_in_one_order() -> None:
    assert ancestors({"http://b", "http://a", "http://0.0.0.0"}, "a") == "'self' http://a http://b"
