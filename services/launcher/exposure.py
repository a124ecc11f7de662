"""Whether passwords and tokens would cross the network in the clear."""

from shared.api_address import is_loopback
from shared.settings import Settings


def exposure(host: str, settings: Settings) -> str:
    """A warning for an API that is bound to `host`, with a newline; "" when there is no reason.

    A known proxy (DUMB_TRUSTED_PROXIES) speaks TLS with the world, and HTTP with us.
    """
    if is_loopback(host) or settings.tls_cert is not None or settings.proxies_given:
        return ""
    return (
        f"Warning: the API listens on {host} without TLS: passwords and tokens cross the network "
        "in the clear.\n"
        "  Set DUMB_TLS_CERT and DUMB_TLS_KEY to the files of a certificate, or put a proxy with "
        "TLS in front\n"
        "  and name its address in DUMB_TRUSTED_PROXIES, or bind 127.0.0.1 "
        '(docs/security.md, "TLS").\n'
    )
