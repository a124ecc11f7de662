"""Where a value comes from, when it is not the file. Pure."""

from typing import Any

from services.api.captured import captured_paths
from services.api.configuration import Published
from shared.config.notices import notices
from shared.config.trees import MISSING, Path, differences, value_at


def sources_of(published: Published, path: Path) -> dict[str, Any]:
    """`overridden`, `memory`, `captured` and `warnings` for what lies at or below `path`."""
    overridden = [
        entry
        for entry in published.overridden
        if isinstance(entry, dict) and tuple(entry.get("path", ()))[: len(path)] == path
    ]
    paths = {tuple(entry["path"]) for entry in overridden}
    file, effective = value_at(published.file, path), value_at(published.effective, path)
    before = {} if file is MISSING else file
    memory = [
        list(path + below)
        for below, _, _ in differences(before, effective)
        if not any((path + below)[: len(known)] == known for known in paths)
    ]
    return {
        "overridden": overridden,
        "memory": memory,
        "captured": captured_paths(published, path),
        "warnings": [
            {"path": list(notice.path), "message": notice.message}
            for notice in notices(published.file, published.effective)
            if notice.path[: len(path)] == path
        ],
        "version": published.version,
    }
