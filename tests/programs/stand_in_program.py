"""A program as `dumb up` sees one, without the work: for the tests of the launcher.

    stand_in_program.py NAME DIRECTORY [--lock FILE] [--http PORT] [--deaf] [--orphan]
                        [--die CODE] [--disguise WORDS]

It appends `NAME pid` to DIRECTORY/started, and `NAME end` to DIRECTORY/ended when told to stop,
then `redis` if a Redis still answers. `--orphan` leaves a sleeping grandchild behind, whose pid is
in DIRECTORY/orphan. `--deaf` ignores SIGTERM. `--die` exits at once. SIGUSR2 is a hand-over.
`--disguise` only shows in the command line.
"""

import argparse
import fcntl
import http.server
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from services.launcher.redis_ping import Ping, ping
from shared.exits import Exit
from shared.redis_url import parse_redis_url

ORPHAN = """
import subprocess, sys
p = subprocess.Popen(["sleep", "1000"], start_new_session=True)
p.returncode = 0
open(sys.argv[1], "w").write(str(p.pid))
"""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The tests read what the launcher prints: requests do not belong there."""


def note(directory: str, file: str, text: str) -> None:
    with (Path(directory) / file).open("a") as out:
        out.write(f"{text}\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("directory")
    parser.add_argument("--lock")
    parser.add_argument("--http", type=int)
    parser.add_argument("--die", type=int)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--orphan", action="store_true")
    parser.add_argument("--disguise")
    given = parser.parse_args()

    def stop(signum: int, _frame: FrameType | None) -> NoReturn:
        if signum == signal.SIGUSR2:
            note(given.directory, "ended", f"{given.name} handed over")
            os._exit(Exit.HANDED_OVER)
        note(given.directory, "ended", f"{given.name} end")
        if ping(parse_redis_url(os.environ["REDIS_URL"])) is Ping.OK:
            note(given.directory, "ended", "redis")
        os._exit(0)

    for signum in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_IGN if given.deaf else stop)
    if given.lock:
        descriptor = os.open(given.lock, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    if given.orphan:
        place = str(Path(given.directory) / "orphan")
        subprocess.run([sys.executable, "-c", ORPHAN, place], check=True)
    Path(given.directory, f"{given.name}.environ").write_text(json.dumps(dict(os.environ)))
    note(given.directory, "started", f"{given.name} {os.getpid()}")
    print(f"{given.name} is here")
    if given.die is not None:
        print("this is my last message")
        sys.exit(given.die)
    if given.http:
        http.server.HTTPServer(("127.0.0.1", given.http), Handler).serve_forever()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
