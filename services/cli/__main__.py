"""`dumb`: one command line. `dumb --help` lists what it does."""

import io
import os
import sys

from services.cli.app import build
from services.cli.desk import Desk


def main(arguments: list[str]) -> None:
    """Carry out one command line. Ends with `SystemExit`: docs/cli.md has the exit codes."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal may not know all characters
        sys.stdout.reconfigure(errors="backslashreplace")
    desk = Desk(dict(os.environ))
    build()(args=arguments, prog_name="dumb", obj=desk)


if __name__ == "__main__":
    main(sys.argv[1:])
