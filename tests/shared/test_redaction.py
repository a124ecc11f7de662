"""Every rule of contract redaction.md 2, its gaps (3), and the bounds of the cost."""

import random
import time

import pytest

from shared.redaction import Redactor, redact, redact_text

HEX32 = "0123456789abcdef" * 2
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"

RULES = [
    # The contract's examples.
    ("password: hunter2 apiKey=abc", "password: [REDACTED] apiKey=[REDACTED]"),
    ("GET /cb?token=a&safe=v", "GET /cb?token=[REDACTED]&safe=v"),
    ("Authorization: Bearer x", "Authorization: [REDACTED]"),
    ('{"client_secret": "four"}', '{"client_secret": "[REDACTED]"}'),
    ("token=abc; while", "token=[REDACTED] while"),
    # 1
    ("AIOSTREAMS_AUTH=bob:pw, x y", "AIOSTREAMS_AUTH=[REDACTED]"),
    ("aiostreams_auth_permissions: bob:all", "aiostreams_auth_permissions: [REDACTED]"),
    # 2
    ("WebDAV credentials: admin / hunter2 ok", "WebDAV credentials: admin / [REDACTED] ok"),
    # 3
    ("TUNNEL_TOKEN=abc, next", "TUNNEL_TOKEN=[REDACTED], next"),
    ("CLOUDFLARED_TUNNEL_TOKEN: abc]", "CLOUDFLARED_TUNNEL_TOKEN: [REDACTED]]"),
    ("CF_TUNNEL_TOKEN=abc}", "CF_TUNNEL_TOKEN=[REDACTED]}"),
    # 4
    ("Set-Cookie: a=b; Path=/, c", "Set-Cookie: [REDACTED]"),
    ("cookie: a=b", "cookie: [REDACTED]"),
    ("Proxy-Authorization: Basic a b", "Proxy-Authorization: [REDACTED]"),
    ("X-Api-Key: a b c", "X-Api-Key: [REDACTED]"),
    ("x-auth-token: a b", "x-auth-token: [REDACTED]"),
    ("X-Plex-Token: a b", "X-Plex-Token: [REDACTED]"),
    # 5
    ("authorization=Bearer abc rest", "authorization=Bearer [REDACTED] rest"),
    ("proxy-authorization = basic abc rest", "proxy-authorization = basic [REDACTED] rest"),
    # 6
    ("{'cookie': 'a=b; c=d', 'x': 1}", "{'cookie': '[REDACTED]', 'x': 1}"),
    ('{"Set-Cookie": "a=b"}', '{"Set-Cookie": "[REDACTED]"}'),
    # 7
    ("/x?api-key=a&apikey=b#f", "/x?api-key=[REDACTED]&apikey=[REDACTED]#f"),
    ("/x?a=1&X-Plex-Token=abc HTTP/1.1", "/x?a=1&X-Plex-Token=[REDACTED] HTTP/1.1"),
    ("/x?code=abc&state=1", "/x?code=[REDACTED]&state=1"),
    ("/x?accesstoken=a&refresh_token=b", "/x?accesstoken=[REDACTED]&refresh_token=[REDACTED]"),
    # 8
    ("api key = abc", "api key = [REDACTED]"),
    ("client secret: abc, x", "client secret: [REDACTED], x"),
    ('"sentry-key":"abc"', '"sentry-key":"[REDACTED]"'),
    ("{'passwd': 'abc'}", "{'passwd': '[REDACTED]'}"),
    ("[secretKey=abc]", "[secretKey=[REDACTED]]"),
    # 9 to 13
    ("MyPlex: username is bob, ok", "MyPlex: username is [REDACTED], ok"),
    ("Signed-in Token (bob the 1st) ok", "Signed-in Token ([REDACTED]) ok"),
    ("--serverUuid=0123456789abcdef-01 x", "--serverUuid=[REDACTED] x"),
    ("/p?machineIdentifier=0123456789abcdef", "/p?machineIdentifier=[REDACTED]"),
    (f"PUT /devices/{HEX32}?a=b", "PUT /devices/[REDACTED]?a=b"),
    (f"GET /api/servers/{HEX32}/x", "GET /api/servers/[REDACTED]/x"),
    (f"MyPlex: Got response for {HEX32} x", "MyPlex: Got response for [REDACTED] x"),
    # 14
    ("mail to <bob.b+x@mail.example.com>.", "mail to <[REDACTED]>."),
]

GAPS = [
    ("plex_token=abc", "plex_token=[REDACTED]"),
    ('"plex_token": "abc"', '"plex_token": "[REDACTED]"'),
    ("github_token: abc", "github_token: [REDACTED]"),
    ("DB_PASSWORD=abc", "DB_PASSWORD=[REDACTED]"),
    ("PGPASSWORD=abc", "PGPASSWORD=[REDACTED]"),
    ("webdav_password: abc", "webdav_password: [REDACTED]"),
    ("FRONTEND_BACKEND_API_KEY=abc", "FRONTEND_BACKEND_API_KEY=[REDACTED]"),
    ("JWT_SECRET=abc", "JWT_SECRET=[REDACTED]"),
    ("X_API_KEY=abc", "X_API_KEY=[REDACTED]"),
    ("x-api-key=abc", "x-api-key=[REDACTED]"),
    ("id_token=abc", "id_token=[REDACTED]"),
    ("/x?plex_token=abc&b=c", "/x?plex_token=[REDACTED]&b=c"),
    ("postgres://user:pass@host:5432/db", "postgres://[REDACTED]@host:5432/db"),
    ("postgres://u:p@ss:w@db.host.tld/db", "postgres://[REDACTED]@db.host.tld/db"),
    ("https://ghp_abc@github.com/x", "https://[REDACTED]@github.com/x"),
    ("sent Bearer abc.def-123 to x", "sent Bearer [REDACTED] to x"),
    (f"got {JWT}.", "got [REDACTED]."),
    ("password: my pass phrase", "password: [REDACTED]"),
    ('"password": "my pass, phrase", "a": 1', '"password": "[REDACTED]", "a": 1'),
    ("{'secret': 'it\\'s mine', 'a': 1}", "{'secret': '[REDACTED]', 'a': 1}"),
    ('"{\\"token\\": \\"a b\\", \\"c\\": 1}"', '"{\\"token\\": \\"[REDACTED]\\", \\"c\\": 1}"'),
    ('"Authorization": "Basic YTpi", "c"', '"Authorization": "Basic [REDACTED]", "c"'),
    ("\x1b[36mtoken=\x1b[0mabc x", "\x1b[36mtoken=\x1b[0m[REDACTED] x"),
    ("\x1b[36mtoken\x1b[0m=abc x", "\x1b[36mtoken\x1b[0m=[REDACTED] x"),
]

HARMLESS = [
    "",
    "a plain line",
    "keyboard monkey, tokens: 5, passed 3 tests",
    "error code=5",
    "the Bearer token expired",
    "key: value",
    "user@host, @decorator, a @ b",
    "http://host:80/path and git://x/y",
    "/devices/0123 machineIdentifier=short",
    "password_enabled=true",
    "Zürich \ufffd \x00",
]


@pytest.mark.parametrize(("raw", "expected"), RULES + GAPS)
def test_a_secret_is_replaced_and_its_surroundings_stay(raw: str, expected: str) -> None:
    assert redact_text(raw) == expected
    assert redact_text(expected) == expected
    assert redact_text(f"x\n{raw}\r\ny\n") == f"x\n{expected}\r\ny\n"


@pytest.mark.parametrize("line", HARMLESS)
def test_harmless_lines_stay(line: str) -> None:
    assert redact_text(line) == line


def test_only_the_value_differs_in_upper_and_lower_case() -> None:
    assert redact(b"PaSsWoRd=X BEARER ABCDEF1\n") == b"PaSsWoRd=[REDACTED] BEARER [REDACTED]\n"


def test_a_secret_never_reaches_into_the_next_line() -> None:
    assert redact(b"password:\nhello\ntoken=\nx\n") == b"password:\nhello\ntoken=\nx\n"


def test_an_open_text_reaches_to_its_end() -> None:
    assert redact(b'token: "abc\nnext" x\nlast\n') == b'token: "[REDACTED]\n[REDACTED]" x\nlast\n'


def test_lone_surrogates_pass_through() -> None:
    assert redact_text("token=\ud800 \udcff") == "token=[REDACTED] \udcff"


def test_any_bytes_are_taken_lines_are_kept_and_a_second_pass_changes_nothing() -> None:
    rng = random.Random(11)
    fragments = [raw.encode() for raw, _ in RULES + GAPS]
    pieces = [piece for raw in fragments for piece in raw.replace(b"=", b" = ").split()]
    pieces += [b"[REDACTED]", b"\n", b"\r\n", b"=", b":", b'"', b"'", b"\\", b" ", b"@", b"?", b"&"]
    pieces += [b"://", b" / ", b"\x00", b"\xff\xfe", b"\x1b[0m", b",", b"[", b"]", b"}", b"@a.bc"]
    for _ in range(20_000):
        raw = b"".join(rng.choices(pieces, k=rng.randrange(1, 14)))
        once = redact(raw)
        assert once.count(b"\n") == raw.count(b"\n")
        assert redact(once) == once, raw
    for size in range(2000):
        raw = rng.randbytes(size % 300)
        assert redact(raw).count(b"\n") == raw.count(b"\n")


LONG = 1 << 18


@pytest.mark.parametrize(
    "unit",
    [
        b"a", b" ", b".", b"@", b"a.", b"@a.bc ", b" @a.bc", b"@a", b"eyj", b"eyJ.", b"token ",
        b"token=", b'token="', b'token="\\', b"token:'", b"password: ", b"password:", b"cookie",
        b"password: x ", b"://", b"://a", b":", b"?", b"&a", b"&", b"?token", b"bearer ",
        b"bearer a ", b"webdav credentials:", b"signed-in token (", b"cookie:\r", b"'cookie':",
        b"authorization = bearer ", b"machineidentifier=0", b"/devices/", b"\\", b'key\\"', b"\x1b",
        b"key\x1b[0", b"secret\t", b"--", b"-a", b"aiostreams_auth ", b"myplex: username is ",
        b"<", b"=", b'"', b"'", b"[", b"{", b"%", b"%5f", b"token=[", b'"tokens":[', b"auth='x ",
        b"<token>", b"<token ", b"<token>a", b"--token ", b"--token",
        b'"name":"token"', b"token%3d",
        b'"name":"token","value"', b"-----begin private key-----", b"-----", b"password 'abc ",
        b"sessions: 5 ", b"auth: basic ", b"session: a ", b"&token=a", b"token=a;", b'token="\\\\"',
        b'auth="a" ', b"token:[]", b"api key ", b"key", b"_key", b"key-", b"sess", b"$2a$", b"$",
        b"&lt;token&gt;a", b"credentials: x ",
        b"token=(", b"bytoken=b'a' ", b"authorization basic a ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("head", [b"", b"token=@eyj bearer \x1b[0m password: "])
def test_a_long_line_takes_linear_time(unit: bytes, head: bytes) -> None:
    """A quadratic rule needs minutes here. The bound is loose: it tells the two apart."""
    line = head + unit * (LONG // len(unit))
    started = time.perf_counter()
    once = redact(line)
    assert time.perf_counter() - started < 5
    redactor = Redactor()
    size = redactor.split(line, LONG - 4096)
    redactor.part(line[:size])
    redactor.lines(line[size:])
    assert time.perf_counter() - started < 10
    assert once.count(b"\n") == 0
