"""The API with a certificate of its own: it speaks TLS, follows the files, refuses bad ones."""

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from services.launcher.health import is_well
from shared.exits import Exit
from shared.settings import SettingsError, load_settings
from shared.tls import exactly, server_context, system_and
from tests.support.programs import Api
from tests.support.tls import Authority, Certificate
from tests.support.wait import wait_until_sync


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority", "ca")


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Certificate:
    """Where the API finds its pair; `put` replaces it."""
    found = Certificate(tmp_path / "live.crt", tmp_path / "live.key")
    put(authority.issue("first"), found)
    return found


def put(pair: Certificate, files: Certificate) -> None:
    """By rename, one file after the other, as renewal tools do it."""
    for new, old in ((pair.cert, files.cert), (pair.key, files.key)):
        fresh = old.with_suffix(".new")
        fresh.write_bytes(new.read_bytes())
        fresh.rename(old)


def environ(files: Certificate) -> dict[str, str]:
    return {"DUMB_TLS_CERT": str(files.cert), "DUMB_TLS_KEY": str(files.key)}


@contextmanager
def running(home: Path, url: str, **more: str) -> Iterator[Api]:
    api = Api(home, {"REDIS_URL": url, **more})
    try:
        wait_until_sync(lambda: "Listening" in api.printed() or api.process.poll() is not None)
        yield api
    finally:
        api.close()


def shown(port: int) -> bytes:
    """The certificate that a new connection gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def der(pair: Certificate) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.cert.read_text())


def test_https_and_wss(
    tmp_path: Path, redis_url: str, authority: Authority, files: Certificate
) -> None:
    trust = system_and(authority.own.cert)
    with running(tmp_path / "home", redis_url, **environ(files), DUMB_HSTS="1") as api:
        assert "with TLS" in api.printed()
        for name in ("127.0.0.1", "localhost"):
            connection = http.client.HTTPSConnection(name, api.port, context=trust, timeout=10)
            connection.request("GET", "/livez")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"status":"alive"}')
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            connection.close()
        with (
            connect(f"wss://127.0.0.1:{api.port}/ws/status", ssl=trust) as client,
            pytest.raises(ConnectionClosed) as closed,  # no supervisor has published accounts
        ):
            client.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
        settings = load_settings(
            {"DUMB_API_SERVICE_HOST": "127.0.0.1", "DUMB_API_SERVICE_PORT": str(api.port)}
            | environ(files)
        )
        assert is_well("api", settings)
        # Plain HTTP gets no answer, and the connection ends.
        with socket.create_connection(("127.0.0.1", api.port), 10) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"HTTP" not in plain.recv(1000)
    assert "Traceback" not in api.printed()


def test_the_least_version_is_1_2(files: Certificate) -> None:
    assert server_context(files.cert, files.key).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_new_pair_is_used_by_new_connections_and_a_broken_one_by_none(
    tmp_path: Path, redis_url: str, authority: Authority, files: Certificate
) -> None:
    first, second, third = (Certificate(files.cert, files.key), authority.issue("second"),
                            authority.issue("third"))  # fmt: skip
    before = der(first)
    trust = system_and(authority.own.cert)
    with running(tmp_path / "home", redis_url, **environ(files)) as api:
        kept = http.client.HTTPSConnection("127.0.0.1", api.port, context=trust, timeout=10)
        kept.request("GET", "/livez")
        kept.getresponse().read()
        put(second, files)
        wait_until_sync(lambda: shown(api.port) == der(second), what="the second certificate")
        assert before != der(second)
        kept.request("GET", "/livez")  # on the connection that the first one opened
        assert kept.getresponse().status == 200
        for broken in (b"", third.key.read_bytes(), None):
            complaints = api.printed().count("The old certificate stays in use")
            if broken is None:
                files.key.unlink()
            else:
                files.key.write_bytes(broken)
            wait_until_sync(
                lambda seen=complaints: api.printed().count("stays in use") > seen,  # type: ignore[misc]
                what="a complaint",
            )
            assert shown(api.port) == der(second)
        put(third, files)
        wait_until_sync(lambda: shown(api.port) == der(third), what="the third certificate")
        kept.close()


def _passphrase(files: Certificate) -> None:
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    form, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    encryption = serialization.BestAvailableEncryption(b"x")
    files.key.write_bytes(key.private_bytes(form, kind, encryption))


def _fifo(files: Certificate) -> None:
    files.key.unlink()
    os.mkfifo(files.key)


def _swap(files: Certificate) -> None:
    cert, key = files.cert.read_bytes(), files.key.read_bytes()
    files.cert.write_bytes(key)
    files.key.write_bytes(cert)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda f: f.cert.unlink(), "DUMB_TLS_CERT: .* cannot be read"),
        (lambda f: f.key.unlink(), "DUMB_TLS_KEY: .* cannot be read"),
        (lambda f: (f.key.unlink(), f.key.mkdir()), "DUMB_TLS_KEY: .* cannot be read"),
        (_fifo, "DUMB_TLS_KEY: .* cannot be read"),
        (lambda f: f.cert.write_text("nonsense"), "are no PEM pair"),
        (lambda f: f.key.write_text(""), "are no PEM pair"),
        (_swap, "are no PEM pair"),
        (_passphrase, "has a passphrase"),
    ],
)
def test_a_pair_that_cannot_be_used(
    files: Certificate, spoil: Callable[[Certificate], object], sentence: str
) -> None:
    spoil(files)
    with pytest.raises(SettingsError, match=sentence):
        server_context(files.cert, files.key)


def test_the_start_is_refused_with_a_sentence(
    tmp_path: Path, redis_url: str, authority: Authority, files: Certificate
) -> None:
    other = str(authority.issue("other").key)
    for wrong, sentence in (
        ({**environ(files), "DUMB_TLS_KEY": other}, "is not the key of the certificate"),
        ({"DUMB_TLS_CERT": str(files.cert)}, "DUMB_TLS_CERT is set without DUMB_TLS_KEY"),
        ({"DUMB_TLS_KEY": str(files.key)}, "DUMB_TLS_KEY is set without DUMB_TLS_CERT"),
        ({"DUMB_HSTS": "yes"}, "DUMB_HSTS is 'yes'"),
    ):
        with running(tmp_path / "home", redis_url, **wrong) as api:
            assert api.ended() == Exit.CONFIG
            assert sentence in api.printed()
            assert "Traceback" not in api.printed()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> None:
    """In memory. Raises `ssl.SSLError` when the client does not accept the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server, server_hostname=name),
    ]
    for _ in range(10):
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert ends == []


def test_who_is_trusted(tmp_path: Path, authority: Authority) -> None:
    ours = authority.issue("ours", "nas.lan")
    sibling = authority.issue("sibling", "nas.lan")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(ours.cert.read_bytes() + authority.own.cert.read_bytes())
    served = server_context(chain, ours.key)
    # Exactly this one, whatever the name; the chain in the file makes nobody else trusted.
    handshake(served, exactly(chain), "127.0.0.1")
    with pytest.raises(ssl.SSLError, match="verify failed"):
        handshake(server_context(sibling.cert, sibling.key), exactly(chain), "nas.lan")
    # An authority: those that it signed, for their names.
    handshake(served, system_and(authority.own.cert), "nas.lan")
    with pytest.raises(ssl.SSLError, match="Hostname mismatch"):
        handshake(served, system_and(authority.own.cert), "other.lan")
    with pytest.raises(ssl.SSLError, match="verify failed"):
        handshake(served, system_and(None), "nas.lan")
    empty = tmp_path / "empty.pem"
    empty.touch()
    for unusable in (empty, tmp_path / "none.pem"):
        with pytest.raises(SettingsError, match="cannot be used"):
            exactly(unusable)
        with pytest.raises(SettingsError, match="DUMB_TLS_CA"):
            system_and(unusable)
