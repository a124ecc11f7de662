"""The stack under test: brought up once, asked by every step."""

import random
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import httpx

from tests.compose.engine import BUILD_S, PROJECT, Compose, Failed, address, docker, health, inspect
from tests.support.redis_server import free_port
from tests.support.wait import wait_until_sync

PASSWORD: Final = "correct horse battery"
REPLICAS: Final = 3
SERVICE: Final = "Demo Redis"
WRITER: Final = "Demo Log Writer"
FRONTEND: Final = "DUMB Frontend"
OVERRIDE: Final = """\
services:
  supervisor: {{build: {{network: host}}}}
  proxy: {{build: {{network: host}}}}
secrets:
"""


class Stack:
    """A project with its own secrets, in a directory that is removed afterwards."""

    def __init__(self, command: list[str]) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="dumb-compose-"))
        self.port = free_port()
        self.token = ""
        self.version_of_compose = docker_compose_version(command)
        self.secrets = self.directory / "secrets"
        subprocess.run(
            [str(PROJECT / "deploy" / "make-secrets"), str(self.secrets)],
            check=True,
            capture_output=True,
        )
        override = self.directory / "override.yml"
        text = OVERRIDE.format()
        text += "".join(
            f"  {file.name}: {{file: {file}}}\n" for file in sorted(self.secrets.iterdir())
        )
        override.write_text(text)
        environ = {
            "DUMB_PORT": str(self.port),
            "DUMB_FRONT_SUBNET": f"172.31.{random.randint(1, 249)}.0/24",
            "DUMB_IMAGE": "dumb:compose-test",
            "DUMB_PROXY_IMAGE": "dumb-proxy:compose-test",
        }
        files = [PROJECT / "docker-compose.yml", override]
        self.compose = Compose(command, f"dumbtest{secrets.token_hex(3)}", files, environ)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)

    # -- talking to it ------------------------------------------------------------------------

    def log_in(self, token: str) -> None:
        """Use this token from now on."""
        self.token = token
        self.http.headers["Authorization"] = f"Bearer {token}"

    def replica(self, number: int) -> httpx.Client:
        """A client of one replica, past the proxy."""
        return httpx.Client(
            base_url=f"http://{self.replica_address(number)}:8000",
            timeout=60,
            headers=dict(self.http.headers) if self.token else {},
        )

    def replica_address(self, number: int) -> str:
        return address(self.compose.ids("api")[number], "front")

    def get(self, path: str, **query: Any) -> Any:
        """A GET through the proxy that has to be a 200."""
        return ok(self.http.get(path, params=query))

    def post(self, path: str, body: Any) -> Any:
        """A POST through the proxy that has to be a 200."""
        return ok(self.http.post(path, json=body))

    def redis(self, user: str, *command: str) -> str:
        """redis-cli as one of the users, inside the redis container."""
        password = (self.secrets / f"redis_{user}").read_text().strip()
        login = ("redis-cli", "--no-auth-warning", "--user", user, "--pass", password)
        return docker("exec", self.compose.id("redis"), *login, *command, check=False)

    # -- its state ----------------------------------------------------------------------------

    def up(self, *more: str) -> None:
        self.compose.run("up", "-d", "--scale", f"api={REPLICAS}", *more, timeout=BUILD_S)

    def services(self) -> list[str]:
        return self.compose.run("config", "--services").split()

    def containers(self) -> list[str]:
        return [c for service in self.services() for c in self.compose.ids(service)]

    def all_healthy(self) -> bool:
        states = [health(container) for container in self.containers()]
        return len(states) >= REPLICAS + 4 and set(states) == {"healthy"}

    def await_healthy(self, timeout: float = 180) -> None:
        """Every container, by its own health check. Raises `Failed` with their states."""
        try:
            wait_until_sync(self.all_healthy, timeout=timeout)
        except TimeoutError:
            states = {inspect(c)["Name"]: health(c) for c in self.containers()}
            raise Failed(f"not healthy: {states}") from None

    def await_ready(self, timeout: float = 90) -> None:
        """The proxy has a replica that can carry out commands."""
        wait_until_sync(lambda: status(self.http, "/readyz") == 200, timeout=timeout, what="ready")

    def await_state(self, name: str, state: str = "running", timeout: float = 60) -> None:
        """A service is in that state, by REST."""

        def reached() -> bool:
            answer = self.http.get("/process/service-status", params={"process_name": name})
            return answer.status_code == 200 and answer.json()["status"] == state

        wait_until_sync(reached, timeout=timeout, what=f"{name} to be {state}")

    def collector_began(self) -> float:
        """When the collector that measures now was started, in epoch seconds; 0 without one."""
        return float(self.redis("metrics", "HGET", "dumb:metrics:collector", "started_at") or 0)

    def log(self, name: str = WRITER) -> str:
        """What the API has of a service's log."""
        return str(self.get("/logs", process_name=name, tail_bytes=1 << 20)["chunk"])

    def close(self) -> None:
        """Remove containers, volumes, networks and images."""
        self.http.close()
        self.compose.run("down", "-v", "--remove-orphans", timeout=400, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def ok(answer: httpx.Response) -> Any:
    """The body of an answer that has to be a 200. Raises `Failed`."""
    if answer.status_code != 200:
        raise Failed(
            f"{answer.request.method} {answer.url.path}: {answer.status_code} {answer.text[:300]}"
        )
    return answer.json()


def status(http: httpx.Client, path: str) -> int:
    """Of one GET; 0 without an answer."""
    try:
        return http.get(path, timeout=5).status_code
    except httpx.TransportError:
        return 0


def docker_compose_version(command: list[str]) -> str:
    done = subprocess.run(
        [*command, "version", "--short"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
