"""The log that we capture of a service that names no `log_file`: readers are told where it is.

Its path is shown as the `log_file` of the effective block, because a frontend offers the log of a
service only where one is named. It is no configuration: it is never written to the file, and when
it comes back in a change it means "none of its own".
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from services.supervisor.logs import captured_file
from shared.config.services import ServiceBlock
from shared.config.trees import value_at, with_value

Tree = dict[str, Any]

KEY: Final = "log_file"


def captured_logs(services: Iterable[ServiceBlock], log_dir: Path) -> dict[str, str]:
    """Path by process name, of services that name no log themselves."""
    return {
        service.process_name: str(captured_file(log_dir, service.process_name))
        for service in services
        if not service.block.get(KEY)
    }


def own_updates(updates: Tree, service: ServiceBlock, log_dir: Path) -> Tree:
    """Updates of a service's block without the path that was shown of it.

    A service that has named a file meanwhile names none from now on: what is posted says so.
    """
    names = (service.process_name, updates.get("process_name"))
    files = [str(captured_file(log_dir, name)) for name in names if isinstance(name, str)]
    if updates.get(KEY) not in files:
        return updates
    if service.block.get(KEY):
        return {**updates, KEY: ""}
    return {key: value for key, value in updates.items() if key != KEY}


def own_document(updates: Tree, services: Iterable[ServiceBlock], log_dir: Path) -> Tree:
    """The same for an update of the document."""
    for service in services:
        block = value_at(updates, service.path)
        if isinstance(block, dict) and KEY in block:
            kept = own_updates(block, service, log_dir)
            if kept is not block:
                updates = with_value(updates, service.path, kept)
    return updates
