"""`dumb config get` and `set`."""

import json
from typing import Any, Final

from services.cli.client import Client, RefusedError
from services.cli.config.document import plan, read_document, save
from services.cli.config.keys import parse_value, value_of
from services.cli.tables import harmless
from services.cli.terminal import Terminal
from shared.config.masking import MASK
from shared.config.trees import with_value
from shared.errors import DumbError

TRIES: Final = 5


def show_value(
    client: Client, terminal: Terminal, key: str, service: str, *, reveal: bool, quoted: bool
) -> None:
    """Print a part of the configuration. Raises `DumbError`."""
    document = read_document(client, reveal=reveal)
    path = document.path(key, document.base(service))
    value = value_of(document.tree, path)
    if isinstance(value, str) and not quoted:
        print(harmless(value) if terminal.live else value)
    else:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        print(harmless(text) if terminal.live else text)
    if key:
        for remark in document.remarks(path):
            terminal.note(remark)
    if value == MASK and not reveal:
        terminal.note("This is a secret: --reveal shows it, to administrators.")


def set_value(
    client: Client,
    terminal: Terminal,
    key: str,
    typed: str,
    service: str,
    *,
    text: bool,
    memory: bool,
    apply: bool,
) -> None:
    """Change one value. Raises `DumbError`: nothing was changed."""
    value: Any = typed if text else parse_value(typed)
    for tries_left in reversed(range(TRIES)):
        document = read_document(client, reveal=False)
        path = document.path(key, document.base(service))
        if not all(path):
            raise DumbError(f"'{key}' is no key.")
        change = plan(document, with_value(document.tree, path, value), memory=memory)
        if change is None:
            print("It is so already.")
            return
        try:
            save(client, terminal, change, apply=apply)
        except RefusedError as error:
            # Somebody changed something else in this very moment; the wish stays the same.
            if error.status != 412 or not tries_left:
                raise
        else:
            return
