"""Who may embed `/scalar`, and what every other answer forbids."""

import pytest

from services.api.origins import Origins
from services.api.policy import DEFAULT, SWAGGER, scalar_policy


def ancestors(origins: list[str], host: str, port: int = 3005) -> str:
    text = scalar_policy(Origins.of(origins, port), host)
    directives = dict(d.split(" ", 1) for d in text.split("; "))
    assert directives["default-src"] == directives["connect-src"] == "'self'"
    return directives["frame-ancestors"]


def test_everything_else_is_never_embedded() -> None:
    for policy in (DEFAULT, SWAGGER):
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ("https://dash.example", "https://dash.example"),
        ("https://Dash.example:444", "https://dash.example:444"),
        ("http://dash.example:80", "http://dash.example"),
        ("http://192.168.1.5:3005", "http://192.168.1.5:3005"),
        ("http://bücher.example", "http://xn--bcher-kva.example"),
        # CSP has no form for these.
        ("http://[fd00::1]:3005", None),
        ("http://my_nas:3005", None),
        # The configuration adds neither a directive nor a source.
        ("http://*:3005", None),
        ("http://a b", None),
        ("http://a; script-src *", None),
        ("http://a:b", None),
        ("http://[", None),
        ("file:///etc", None),
        ("null", None),
        ("*", None),
        ("nas:3005", None),
    ],
)
def test_a_configured_origin(origin: str, source: str | None) -> None:
    # An origin that no browser sends, so that the default ones do not count.
    found = ancestors(["http://x:1", origin], "[::1]:8000")
    assert found == " ".join(sorted({"'self'", "http://x:1", *([source] if source else [])}))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("nas.lan:8000", "nas.lan"),
        ("NAS:8000", "nas"),
        ("192.168.1.5", "192.168.1.5"),
        ("dumb.example.org", "dumb.example.org"),
        ("[::1]:8000", None),
        ("nas;script-src:1", None),
        ("nas 'unsafe-inline'", None),
        ("*", None),
        ("0.0.0.0:8000", None),
        ("", None),
        ("x" * 300, None),
    ],
)
def test_the_frontend_on_the_same_host(host: str, name: str | None) -> None:
    """`dumb.frontend.port`, and the ports of origins with the host 0.0.0.0."""
    for origin, port, ports in (
        ("http://x:1", 3007, [3007]),
        ("http://0.0.0.0:3006", 3005, [3005, 3006]),
        ("http://[::]:3006", 3005, [3005, 3006]),
    ):
        expected = {f"http://{name}:{one}" for one in ports} if name else set()
        given = {"http://x:1"} & {origin}
        assert set(ancestors([origin], host, port).split()) == {"'self'", *expected, *given}


def test_several_stand_in_one_order() -> None:
    found = ancestors(["http://b", "http://a", "http://0.0.0.0"], "a", 80)
    assert found == "'self' http://a http://b"
