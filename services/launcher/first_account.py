"""Whether the API still waits for its first account."""

import http.client
import json
from urllib.parse import urlsplit

from shared.api_address import reachable_host
from shared.neighbors import is_neighbor, read_place
from shared.tls import unverified


def hint(host: str, port: int, base: str, timeout: float = 2.0) -> str:
    """What to type to create it, with a newline; "" when there are users or it was declined.

    `base`: how the API is shown to people; `https:` where it speaks TLS. No secret is sent, so no
    certificate is checked.
    """
    name = reachable_host(host)
    connection = http.client.HTTPConnection(name, port, timeout=timeout)
    if base.startswith("https:"):
        connection = http.client.HTTPSConnection(name, port, timeout=timeout, context=unverified())
    try:
        connection.request("GET", "/auth/status", headers={"Host": "localhost"})
        status = json.loads(connection.getresponse().read())
        waits = not status["has_users"] and not status["setup_skipped"]
        coded = status.get("setup_code_required") is True
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""  # a hint is no reason to fail
    finally:
        connection.close()
    if not waits:
        return ""
    place = read_place(urlsplit(base).netloc)
    # The API answers to public hosts only with accounts; `dumb` finds this machine's without.
    url = f" --url {base}" if place is not None and is_neighbor(place.host) else ""
    who = "knows the setup code (DUMB_SETUP_CODE)" if coded else "reaches the API"
    return (
        f"There are no accounts: anyone who {who} may use it. Create the first one:\n"
        f"  ./dumb{url} users add admin\n"
    )
