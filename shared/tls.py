"""TLS of the API: what it serves with, and how its own clients know it."""

import ssl
import stat
from pathlib import Path

from shared.settings import SettingsError


def server_context(cert: Path, key: Path) -> ssl.SSLContext:
    """For a server that shows `cert` (a PEM file with its chain). TLS 1.2 is the least.

    Raises:
        SettingsError: a file cannot be read, is not PEM, or the key is not that of the certificate.
    """
    for name, path in (("DUMB_TLS_CERT", cert), ("DUMB_TLS_KEY", key)):
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # reading a FIFO would never end
                raise SettingsError(f"{name}: {path} cannot be read (it is not a file).")
            path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{name}: {path} cannot be read ({error.strerror}).") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise SettingsError(_sentence(error, cert, key)) from error
    return context


def _no_passphrase() -> str:
    """Without this, OpenSSL would ask on the terminal, and the start would hang."""
    raise ValueError("passphrase")


def _sentence(error: Exception, cert: Path, key: Path) -> str:
    if str(error) == "passphrase":
        return f"DUMB_TLS_KEY: {key} has a passphrase. Remove it: `openssl pkey -in … -out …`."
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return f"DUMB_TLS_KEY: {key} is not the key of the certificate {cert}."
    why = getattr(error, "reason", None) or error
    return f"DUMB_TLS_CERT and DUMB_TLS_KEY: {cert} and {key} are no PEM pair ({why})."


def exactly(cert: Path) -> ssl.SSLContext:
    """For a client that accepts the first certificate in `cert`, whatever name it is for.

    It is the server of this machine and the file is its own, so that its name proves nothing more.

    Raises:
        SettingsError: the file holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The certificate itself is the anchor, though another one signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        text = cert.read_text(encoding="ascii", errors="replace")
        end = text.index(_END) + len(_END)
        context.load_verify_locations(cadata=text[text.index(_BEGIN) : end])
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no certificate"
        raise SettingsError(f"The API's certificate {cert} cannot be used ({why}).") from error
    return context


_BEGIN = "-----BEGIN CERTIFICATE-----"
_END = "-----END CERTIFICATE-----"


def system_and(ca: Path | None) -> ssl.SSLContext:
    """For a client that trusts whom this machine trusts (and `SSL_CERT_FILE`), and `ca`.

    Raises:
        SettingsError: `ca` cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()  # reads for 15 ms
    if ca is not None:
        # Python 3.13 wants extensions that authorities of homes often lack.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        try:
            context.load_verify_locations(cafile=ca)
        except OSError as error:
            why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate in it"
            raise SettingsError(f"DUMB_TLS_CA: {ca} cannot be used ({why}).") from error
    return context


def unverified() -> ssl.SSLContext:
    """For a look at this machine's own API that sends no secret: is it there?"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
