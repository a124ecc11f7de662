"""Whether the API still waits for its first account."""

import http.client
import json
from urllib.parse import urlsplit

from shared.tls import unverified


def hint(base: str, timeout: float = 2.0) -> str:
    """What to type to create it, with a newline; "" when there are users or it was declined.

    `base`: of this machine's API. No secret is sent, so no certificate is checked.
    """
    place = urlsplit(base).netloc
    connection = http.client.HTTPConnection(place, timeout=timeout)
    if base.startswith("https:"):
        connection = http.client.HTTPSConnection(place, timeout=timeout, context=unverified())
    try:
        connection.request("GET", "/auth/status")
        status = json.loads(connection.getresponse().read())
        waits = not status["has_users"] and not status["setup_skipped"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""  # a hint is no reason to fail
    finally:
        connection.close()
    if not waits:
        return ""
    return (
        "There are no accounts: whoever reaches the API may use it. Create the first one:\n"
        f"  ./dumb --url {base} users add admin\n"
    )
