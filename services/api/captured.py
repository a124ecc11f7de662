"""The captured log as the `log_file` of blocks that name none (docs/api.md, "Configuration").

A frontend offers the log of a service only where its block names one. Posted back, it means the
same as none at all: the supervisor knows its own files.
"""

from typing import Any, Final

from services.api.configuration import Published
from shared.config.services import ServiceBlock
from shared.config.trees import Path, with_value

KEY: Final = "log_file"


def with_log(block: dict[str, Any], service: ServiceBlock, published: Published) -> dict[str, Any]:
    """What is shown of a service's block, with its log."""
    path = published.captured.get(service.process_name)
    return {**block, KEY: path} if path else block


def with_logs(tree: dict[str, Any], published: Published) -> dict[str, Any]:
    """What is shown of the document, with the logs of its services."""
    for service in published.services:
        path = published.captured.get(service.process_name)
        if path:
            tree = with_value(tree, (*service.path, KEY), path)
    return tree


def captured_paths(published: Published, below: Path) -> list[list[str]]:
    """Where, at or below a path, `log_file` is not of the configuration but ours."""
    return [
        [*service.path, KEY]
        for service in published.services
        if service.process_name in published.captured and service.path[: len(below)] == below
    ]
