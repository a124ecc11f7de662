"""Certificates of a test's own authority, and TLS in front of a server that speaks none."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    cert: Path
    key: Path


LOCAL: Final = ("127.0.0.1", "localhost")


class Authority:
    """Issues certificates, for 127.0.0.1 and localhost unless told."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self.own = self._write(name, self._name, self._key, ca=True)

    def issue(self, name: str, *places: str) -> Certificate:
        """A certificate that this authority signed, for these addresses and host names."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._write(name, _name(name), key, *(places or LOCAL), ca=False)

    def _write(
        self, name: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *hosts: str, ca: bool
    ) -> Certificate:
        now = dt.datetime.now(dt.UTC)
        places = [_place(host) for host in hosts or LOCAL]
        built = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(places), critical=False)
            # Python 3.13 asks for what RFC 5280 says (ssl.VERIFY_X509_STRICT).
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(_usage(ca=ca), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        files = Certificate(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        files.cert.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def _place(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class TlsFront:
    """Listens with TLS on a free port and passes on to a plain one; asks for a certificate.

    A thread with a loop of its own. `cut` drops every connection, as a network does.
    """

    def __init__(self, target: int, server: Certificate, authority: Certificate) -> None:
        self._target = target
        self._context = _context(server, authority)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def cut(self) -> int:
        """End all connections; how many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _listen(self) -> int:
        # One that fails the handshake is the server's normal day.
        self._loop.set_exception_handler(lambda _loop, _context: None)
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._context, ssl_handshake_timeout=5
        )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _cut(self) -> int:
        count = len(self._writers)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        return count

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            behind_reader, behind = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers |= {writer, behind}
            await asyncio.gather(_copy(reader, behind), _copy(behind_reader, writer))
            self._writers -= {writer, behind}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


def _context(server: Certificate, authority: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.cert, server.key)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def handshakes(server: Certificate, authority: Certificate) -> Iterator[int]:
    """A port where TLS begins and ends; asyncio's server, unlike OpenSSL, sends no alerts."""
    context = _context(server, authority)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # closed
                while True:
                    connection, _ = listening.accept()
                    with suppress(OSError), connection:
                        context.wrap_socket(connection, server_side=True).close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@contextmanager
def tls_front(target: int, directory: Path) -> Iterator[tuple[TlsFront, Authority]]:
    """TLS before `target`, and the authority whose clients it takes."""
    authority = Authority(directory, "ca")
    with TlsFront(target, authority.issue("server"), authority.own) as front:
        yield front, authority
