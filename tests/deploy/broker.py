"""A Redis with the five users of deploy/redis/users.acl.in, and one more that tests look with."""

import subprocess
from pathlib import Path
from typing import Any, Final

from redis import Redis

from services.launcher.redis_binary import parse_version
from tests.support.programs import PROJECT
from tests.support.redis_server import PrivateRedis, find_redis_server

PROGRAMS: Final = ("supervisor", "api", "metrics", "jobs")
USERS: Final = (*PROGRAMS, "publisher")
MAKE_USERS_ACL: Final = PROJECT / "deploy" / "redis" / "make-users-acl"


def password(user: str) -> str:
    """Of one of USERS in these tests."""
    return f"{user}/p@ss:1%"


def write_secrets(directory: Path) -> Path:
    """The password files as deploy/make-secrets names them."""
    directory.mkdir(parents=True, exist_ok=True)
    for user in USERS:
        (directory / f"redis_{user}").write_text(f"{password(user)}\n")
    return directory


def make_users_acl(secrets: Path, version: str, prefix: str = "dumb:") -> str:
    """What the script prints. Raises `CalledProcessError` when it refuses."""
    command = ["sh", str(MAKE_USERS_ACL), str(secrets), version, prefix]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout


class _Server(PrivateRedis):
    """`tester` may do everything."""

    @property
    def url(self) -> str:
        return f"redis://tester:tester@127.0.0.1:{self.port}/0"


class AclRedis:
    """A server under these rules."""

    def __init__(self, directory: Path, prefix: str = "dumb:") -> None:
        binary = find_redis_server()
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True)
        self.version = parse_version(said.stdout)
        self.secrets = write_secrets(directory / "secrets")
        rules = make_users_acl(self.secrets, ".".join(map(str, self.version)), prefix)
        acl = directory / "users.acl"
        acl.write_text(f"{rules}user tester on >tester ~* &* +@all\n")
        self.server = _Server(binary, directory, {"aclfile": str(acl)})

    def environ(self, user: str) -> dict[str, str]:
        """What tells a program to be `user`, with the password in a file."""
        return {
            "REDIS_URL": f"redis://{user}@127.0.0.1:{self.server.port}/0",
            "DUMB_REDIS_PASSWORD_FILE": str(self.secrets / f"redis_{user}"),
        }

    def as_user(self, user: str) -> "Redis":
        """A connection of one of USERS, or of `tester`, who may do everything."""
        word = "tester" if user == "tester" else password(user)
        return Redis(port=self.server.port, username=user, password=word, protocol=2)

    def denied(self) -> list[str]:
        """What the programs' users tried and may not."""
        with self.as_user("tester") as redis:
            entries: Any = redis.acl_log(128)
        return [
            f"{entry['username']}: {entry['reason']} {entry['object']} ({entry['context']})"
            for entry in entries
            if entry["username"] in PROGRAMS
        ]
