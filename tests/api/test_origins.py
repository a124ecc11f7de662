"""Which pages may drive the API."""

import pytest

from services.api.origins import DEFAULT_ORIGINS, allowed_origin, configured_origins

KNOWN = frozenset({"https://dash.example"})


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://dash.example", "api.example:8000", True),
        ("http://dash.example", "api.example:8000", False),
        ("http://api.example:8000", "api.example:8000", True),
        ("http://api.example", "api.example", True),
        ("https://api.example:443", "api.example", True),
        ("http://api.example:8001", "api.example:8000", False),
        ("http://API.example:8000", "api.example:8000", True),
        ("http://localhost:3005", "api.example", True),
        ("https://127.0.0.1", "api.example", True),
        ("http://[::1]:9", "api.example", True),
        ("http://localhost.evil.example", "api.example", False),
        ("http://127.0.0.1.evil.example", "api.example", False),
        ("http://localhost@evil.example", "api.example", False),
        ("http://evil.example#localhost", "api.example", False),
        ("http://evil.example/localhost", "api.example", False),
        ("null", "api.example", False),
        ("", "api.example", False),
        ("", "", False),
        ("file://", "", False),
        ("http://", "", False),
        ("http://a:b", "a:b", False),
        ("http://[", "[", False),
        ("chrome-extension://abc", "abc", False),
    ],
)
def test_allowed_origin(origin: str, host: str, allowed: bool) -> None:
    assert allowed_origin(origin, host, KNOWN) is allowed


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
