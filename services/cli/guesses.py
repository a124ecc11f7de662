"""Requests with a password: known by their device, and patient when guesses are delayed."""

import time
from collections.abc import Mapping
from typing import Any, Final

from services.cli.client import Answer, Client, DelayedError
from services.cli.terminal import Terminal

DEVICE_HEADER: Final = "X-Device-Token"
TICKET_HEADER: Final = "X-Login-Ticket"
TICKETS: Final = 5
"""So often a 429 is waited for: of several who wait for one account, one is let in at a time."""


def send_password(
    client: Client,
    terminal: Terminal,
    path: str,
    body: Mapping[str, Any],
    device: str,
    *,
    method: str = "POST",
) -> Answer:
    """Send a request with a password. `device`: the device token of an earlier login, or "".

    Raises:
        DelayedError: others were faster each time.
        DumbError: as `Client.send` does.
    """
    headers = {DEVICE_HEADER: device} if device else {}
    for _ in range(TICKETS):
        try:
            return client.send(method, path, json=body, headers=headers)
        except DelayedError as error:
            terminal.note(f"Too many failed logins: this one waits {error.retry_after} s.")
            time.sleep(error.retry_after)
            headers[TICKET_HEADER] = error.ticket
    return client.send(method, path, json=body, headers=headers)
