"""`python -m services.launcher [up|down|upgrade]`: reads the environment, then runs."""

import argparse
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from services.launcher.console import Console
from services.launcher.down import down
from services.launcher.programs import NAMES, own_redis, program_table
from services.launcher.up import Options, Up
from services.launcher.upgrade import upgrade
from shared.errors import DumbError
from shared.memory import close_memory
from shared.settings import Settings, load_settings

FLUSH_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 stopped in order, else one of shared/exits.py and a sentence."""
    _fill_standard_descriptors()
    close_memory()
    names = list(NAMES)
    parser = argparse.ArgumentParser(prog="dumb", description="Start the programs, or stop them.")
    parser.add_argument("what", nargs="?", choices=["up", "down", "upgrade"], default="up")
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        choices=names,
        metavar="NAME",
        help=f"start these programs only: {', '.join(names)}",
    )
    chosen = parser.parse_args(arguments)
    try:
        settings = load_settings()
        if chosen.what == "down":
            return down(settings.home)
        if chosen.what == "upgrade":
            return upgrade(settings.home)
        return run(_options(settings, chosen.only or names), colour=_wants_colour())
    except DumbError as error:
        return refuse(error)


def run(options: Options, *, colour: bool) -> int:
    """One `dumb up`; also the tests' way in, with programs of their own."""
    console = Console(1, colour=colour)
    try:
        return Up(options, console).run()
    except DumbError as error:
        console.flush(FLUSH_S)
        return refuse(error)
    finally:
        console.flush(FLUSH_S)


def refuse(error: DumbError) -> int:
    """Print the sentence; the exit code that goes with it."""
    with suppress(OSError):
        os.write(2, f"dumb: {error}\n".encode("utf-8", "replace"))
    return error.exit_code


def _wants_colour() -> bool:
    return os.isatty(1) and "NO_COLOR" not in os.environ


def _options(settings: Settings, names: list[str]) -> Options:
    return Options(
        settings=settings,
        # What `load_settings` made of it; without one, the file of a former run is no answer.
        redis_url=settings.redis_url if os.environ.get("REDIS_URL", "").strip() else "",
        programs=tuple(
            replace(program, own=own_redis(program.name, os.environ))
            for program in program_table(settings.run_dir)
            if program.name in names
        ),
        sample=ROOT / "dumb_config.json",
        environ=program_environ(os.environ, settings),
    )


def program_environ(environ: Mapping[str, str], settings: Settings) -> dict[str, str]:
    """What the programs inherit: absolute paths, and this project's modules and Python.

    Our Python comes last on PATH: `python3` in a service's command stays the machine's own, but
    a machine without any finds ours.
    """
    path = [p for p in environ.get("PATH", os.defpath).split(os.pathsep) if p]
    modules = [p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    return {
        **environ,
        "DUMB_HOME": str(settings.home),
        "DUMB_CONFIG": str(settings.config_path),
        "PATH": os.pathsep.join([*path, str(Path(sys.executable).parent)]),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *(m for m in modules if m != str(ROOT))]),
        "PYTHONUNBUFFERED": "1",
    }


def _fill_standard_descriptors() -> None:
    # After `>&-` the next file that is opened would become standard output.
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
