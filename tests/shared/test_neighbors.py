"""What a `Host` header may look like, and which hosts are neighbors."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.neighbors import Place, is_neighbor, read_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("localhost", Place("localhost")),
        ("LocalHost:8000", Place("localhost", 8000)),
        ("nas.lan.", Place("nas.lan")),
        ("nas.", Place("nas")),
        ("my_stack-api-1:80", Place("my_stack-api-1", 80)),
        ("xn--bcher-kva.example", Place("xn--bcher-kva.example")),
        ("192.168.1.10", Place(IPv4Address("192.168.1.10"))),
        ("192.168.1.10.:8000", Place(IPv4Address("192.168.1.10"), 8000)),
        ("[::1]", Place(IPv6Address("::1"))),
        ("[FE80::1%eth0]:8000", Place(IPv6Address("fe80::1"), 8000)),
        ("[fe80::1%25eth0]", Place(IPv6Address("fe80::1"))),
        ("[::ffff:192.168.1.10]:1", Place(IPv4Address("192.168.1.10"), 1)),
        ("[::FFFF:c0a8:010a]", Place(IPv4Address("192.168.1.10"))),
        ("1password.lan", Place("1password.lan")),
        ("nas.lan:65535", Place("nas.lan", 65535)),
    ],
)
def test_read_place(text: str, place: Place) -> None:
    assert read_place(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ".", "..", ".lan", "nas..lan", "nas.lan..", "-nas", "nas-", "nas.-lan", "a" * 64,
        "a." * 130 + "a", "nas.lan:", "nas.lan:x", "nas.lan:-1", "nas.lan:65536", "nas.lan:000080",
        "nas.lan:80:80", "nas.lan:８０", "user@nas.lan", "user:pw@nas.lan", "nas.lan/", "nas.lan?",
        "nas.lan#", "nas.lan\\evil", "nas lan", "nas.lan ", "nas.lan\t", "nas.lan\n", "nas\x00.lan",
        "nas,evil.example", "n%61s.lan", "n\u00e4s.lan", "\uff4eas", "nas\u3002lan",
        "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001",
        "127.0.0.01", "127.0.0.256", "127.0.0.1.1", "evil.example.1", "evil.0x", "1",
        "::1", "[::1", "::1]", "[]", "[::1]x", "[::1]:", "[::1%]", "[nas]", "[127.0.0.1]",
        "[::1%a/b]", "[:::1]", "[v1.x]", "[::ffff:127.1]", "*.lan", "*",
    ],
)  # fmt: skip
def test_what_is_no_host(text: str) -> None:
    assert read_place(text) is None


NEIGHBORS = [
    "localhost", "dumb.localhost", "a.b.localhost", "nas", "nas.local", "nas.lan", "a.b.lan",
    "nas.home.arpa", "nas.internal", "host.docker.internal", "metadata.google.internal",
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.1.1", "100.64.0.1", "100.127.255.255", "[::1]", "[fe80::1]", "[febf::1]", "[fc00::1]",
    "[fdff::1]", "[::ffff:10.0.0.1]", "[::ffff:127.0.0.1]",
]  # fmt: skip
STRANGERS = [
    "evil.example", "localhost.evil.example", "lan.example", "nas.lan.evil.example", "notlocal.com",
    "evil.xlan", "evil.local.com", "home.arpa.com", "arpa.home", "home.arpa", "192.168.1.10.nip.io",
    "0.0.0.0", "[::]",  # noqa: S104
    "[::ffff:0.0.0.0]", "8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1",
    "100.63.255.255", "100.128.0.1", "126.0.0.1", "128.0.0.1", "11.0.0.1", "169.253.0.1",
    "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "[::2]", "[::127.0.0.1]",
    "[2001:db8::1]", "[fec0::1]", "[fe00::1]", "[ff02::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[::ffff:8.8.8.8]", "[2001:0:7f00:1::]",
]  # fmt: skip


@pytest.mark.parametrize("text", NEIGHBORS)
def test_neighbors(text: str) -> None:
    place = read_place(text)
    assert place is not None
    assert is_neighbor(place.host)


@pytest.mark.parametrize("text", STRANGERS)
def test_strangers(text: str) -> None:
    place = read_place(text)
    assert place is not None
    assert not is_neighbor(place.host)


@given(st.text(max_size=40))
def test_no_text_is_too_odd(text: str) -> None:
    place = read_place(text)
    assert place is None or text.isascii()


@given(st.text("abc0123456789.-", min_size=1, max_size=30))
def test_no_public_name_becomes_a_neighbor(text: str) -> None:
    place = read_place(f"{text}.example.com")
    assert place is None or not is_neighbor(place.host)
