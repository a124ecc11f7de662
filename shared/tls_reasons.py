"""Which failures of TLS come again with every attempt. Without `ssl`, which is 4 MB of memory."""

from collections.abc import Iterator
from typing import Final

_HOPELESS: Final = frozenset(
    {
        "CERTIFICATE_VERIFY_FAILED",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "WRONG_VERSION_NUMBER",
        # Files of our own that hold no certificate, or not the key that belongs to it.
        "NO_CERTIFICATE_OR_CRL_FOUND",
        "NO_START_LINE",
        "PEM_LIB",
        "KEY_VALUES_MISMATCH",
    }
)
"""Reasons of OpenSSL; an end of file is none of them."""


def hopeless_reason(error: BaseException | None) -> str:
    """OpenSSL's reason, out of an error or what caused it; "" when trying again may help."""
    for cause in _chain(error):
        reason = getattr(cause, "reason", None)
        if isinstance(cause, OSError) and reason in _HOPELESS:
            return str(reason)
    return ""


def tls_sentence(place: str, reason: str) -> str:
    """What to do about it."""
    return (
        f"TLS with Redis at {place} fails ({reason}): see DUMB_REDIS_CA_FILE, "
        "DUMB_REDIS_CERT_FILE and DUMB_REDIS_KEY_FILE, and whether that port speaks TLS."
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
