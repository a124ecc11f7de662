"""Service blocks and what surrounds them, for tests of a launch."""

import os
import sys
from pathlib import Path
from typing import Any

from services.supervisor.spawn import LaunchSpec, Surroundings, build_spec
from shared.config.pages import config_of
from shared.config.services import ServiceBlock


def service(key: str = "web", instance: str = "", **block: Any) -> ServiceBlock:
    return ServiceBlock("Web UI", key, instance, (key,), {"process_name": "Web UI", **block}, True)


def around(home: Path, environ: dict[str, str] | None = None, **top: Any) -> Surroundings:
    return Surroundings(
        home=home,
        project=Path("/project"),
        python=sys.executable,
        environ={"PATH": os.defpath, **(environ or {})},
        top=config_of(top),
    )


def spec_of(home: Path, **block: Any) -> LaunchSpec:
    return build_spec(service(**{"command": ["sh"], **block}), around(home))
