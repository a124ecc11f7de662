"""`dumb up` with stand-ins instead of the real programs; argv[1] is a JSON list of `Program`s."""

import json
import os
import sys
from pathlib import Path

from services.launcher.__main__ import program_environ, run
from services.launcher.programs import Program
from services.launcher.up import Options
from shared.settings import load_settings


def main() -> int:
    settings = load_settings()
    programs = [
        Program(**{**row, "argv": tuple(row["argv"]), "lock": row["lock"] and Path(row["lock"])})
        for row in json.loads(sys.argv[1])
    ]
    options = Options(
        settings=settings,
        redis_url=os.environ.get("REDIS_URL", ""),
        programs=tuple(programs),
        sample=Path(os.environ["STAND_IN_SAMPLE"]),
        environ=program_environ(os.environ, settings),
        given_redis_s=0.3,
        api_s=0.3,
    )
    return run(options, colour=False)


if __name__ == "__main__":
    sys.exit(main())
