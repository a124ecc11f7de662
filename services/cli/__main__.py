"""`dumb`: one command line. `dumb --help` lists what it does."""

import argparse
import os
import sys
from contextlib import suppress

from services.cli.client import AwayError, Client
from services.cli.doctor import doctor
from services.cli.logs import logs
from services.cli.redis_cli import redis_cli
from services.cli.services import act, status
from services.cli.users import reset
from shared.api_address import api_address, http_base
from shared.errors import DumbError
from shared.settings import load_settings
from shared.version import VERSION

LAUNCHER = ("up", "down")
"""Sub-commands of the launcher, which is another program: this one becomes it."""


def main(arguments: list[str]) -> int:
    """Returns the exit code: 0 done, 1 refused or failed, 2 the API cannot be reached."""
    try:
        if arguments[:1] == ["redis-cli"]:  # its options are not ours to read
            redis_cli(load_settings(), arguments[1:])
        if arguments and arguments[0] in LAUNCHER:
            argv = [sys.executable, "-m", "services.launcher", *arguments]
            os.execv(sys.executable, argv)  # noqa: S606 - to become the launcher is the purpose
        return _ask_api(_parser().parse_args(arguments))
    except AwayError as error:
        print(error, file=sys.stderr)
        return 2
    except DumbError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # `dumb logs … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        return 130


def _ask_api(chosen: argparse.Namespace) -> int:
    settings = load_settings()
    if chosen.what == "users":
        return reset(settings, chosen.name, use_bcrypt=chosen.bcrypt, enable=chosen.enable)
    client = Client(http_base(*api_address(settings)), settings.api_token)
    if chosen.what == "status":
        return status(client, chosen.name, everything=chosen.all)
    if chosen.what == "logs":
        return logs(client, chosen.name, lines=chosen.lines, follow=chosen.follow)
    if chosen.what == "doctor":
        return doctor(client)
    return act(client, chosen.what, chosen.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dumb",
        description="Starts the programs, and asks the API of those that run.",
        epilog="Exit codes: 0 done, 1 refused or failed, 2 the API cannot be reached.",
    )
    parser.add_argument("--version", action="version", version=f"dumb {VERSION}")
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start everything here; Ctrl-C stops it (see dumb up --help)")
    commands.add_parser("down", help="stop what `dumb up` started in this data directory")
    commands.add_parser("redis-cli", help="open redis-cli on the Redis in use, with its arguments")
    commands.add_parser("doctor", help="look for problems; exits with 1 when there are some")
    table = commands.add_parser("status", help="show services: enabled or running ones")
    table.add_argument("name", nargs="*", metavar="NAME", help="these only")
    table.add_argument("-a", "--all", action="store_true", help="disabled ones as well")
    for verb in ("start", "stop", "restart"):
        one = commands.add_parser(verb, help=f"{verb} a service and wait for the outcome")
        one.add_argument("name", metavar="NAME", help="its process_name")
    text = commands.add_parser("logs", help="print the last lines of a service's log")
    text.add_argument("name", metavar="NAME", help="its process_name")
    text.add_argument("-n", "--lines", type=_count, default=50, help="how many (50)")
    text.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    users = commands.add_parser("users", help="accounts, while no supervisor runs")
    verbs = users.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("reset", help="ask for a new password; ends the user's logins")
    new.add_argument("name", metavar="NAME", help="the exact username")
    new.add_argument("--bcrypt", action="store_true", help="in a form that the original can read")
    new.add_argument("--enable", action="store_true", help="let a disabled user in again")
    return parser


def _count(text: str) -> int:
    with suppress(ValueError):
        if int(text) >= 0:
            return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is not a number of lines")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
