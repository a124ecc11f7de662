"""What people do with a running control plane, over any number of replicas."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.programs import Api, Program, write_config
from tests.support.wait import wait_until_sync

PASSWORD: Final = "correct horse"
WEB: Final = "Web Server"
_NONE: Final[Mapping[str, Any]] = {}


def blocks(home: Path) -> dict[str, Any]:
    """Two services: one that writes a line at its start, one with a configuration file."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "app.ini").write_text("[main]\nname = first\n")
    return {
        "web": {
            "process_name": WEB,
            "enabled": False,
            "command": ["/bin/sh", "-c", "echo I am up; exec sleep 1000"],
            "env": {"DB_PASSWORD": "hunter22"},
            "config_dir": str(home),
            "config_file": str(home / "app.ini"),
        },
        "other": {"process_name": "Other", "enabled": False, "command": ["sleep", "1000"]},
    }


class Running:
    """Programs over one data directory, closed together. `environ` goes to each.

    Args:
        more: service blocks beside those of `blocks`; None: the directory is as it should be.
    """

    def __init__(
        self, home: Path, environ: Mapping[str, str], more: Mapping[str, Any] | None = _NONE
    ) -> None:
        self.home = home
        self.environ = dict(environ)
        self.apis: list[Api] = []
        self._open = ExitStack()
        if more is not None:
            write_config(home, blocks(home) | dict(more))

    def start(self, name: str, **environ: str) -> Program:
        """Start one program that is no API."""
        program = Program(name, self.home, self.environ | environ)
        self.also(program)
        return program

    def also(self, program: Program) -> None:
        """Close this one too."""
        self._open.callback(program.close)

    def start_api(self, **environ: str) -> Api:
        """Start a replica and wait until it is ready."""
        return self.start_apis(1, **environ)[0]

    def start_apis(self, count: int, **environ: str) -> list[Api]:
        """Start replicas side by side and wait until they are ready."""
        apis = [Api(self.home, self.environ | environ) for _ in range(count)]
        for api in apis:
            self.also(api)
        for api in apis:
            api.await_ready()
        self.apis += apis
        return apis

    def client(self, api: Api | None = None) -> httpx.Client:
        """Of one replica, the first one unless told."""
        return self._open.enter_context((api or self.apis[0]).client())

    def close(self) -> None:
        """End everything, the replicas first."""
        self._open.close()


def ok(answer: httpx.Response) -> Any:
    """The body of an answer that has to be a 200."""
    assert answer.status_code == 200, f"{answer.url}: {answer.status_code} {answer.text[:500]}"
    return answer.json()


def set_up(http: httpx.Client) -> dict[str, Any]:
    """The first account; the client is logged in from now on. The pair of tokens."""
    pair: dict[str, Any] = ok(
        http.post("/auth/setup", json={"username": "alice", "password": PASSWORD})
    )
    http.headers["Authorization"] = f"Bearer {pair['access_token']}"
    return pair


def start_and_read(http: httpx.Client, verb: str = "start") -> None:
    """Start (or restart) the service, see it run, and read what it wrote."""
    ok(http.post(f"/process/{verb}-service", json={"process_name": WEB}))
    assert status(http) == "running"

    def line_is_there() -> bool:
        return "I am up" in ok(http.get("/logs", params={"process_name": WEB}))["chunk"]

    wait_until_sync(line_is_there, what="the first line of the service")


def status(http: httpx.Client) -> str:
    """Of the service, by REST."""
    found: str = ok(http.get("/process/service-status", params={"process_name": WEB}))["status"]
    return found
