"""Docker Compose as a person uses it: `docker-compose` or `docker compose`, whichever is there."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parents[2]
QUICK_S: Final = 120.0
BUILD_S: Final = 1800.0


class NoEngineError(Exception):
    """There is no Docker engine with Compose; the message says what is missing."""


def find_compose() -> list[str]:
    """The command. Raises `NoEngineError`."""
    if shutil.which("docker") is None:
        raise NoEngineError("there is no docker command")
    if _run(["docker", "version"]).returncode != 0:
        raise NoEngineError("no Docker engine answers (DOCKER_HOST names one)")
    for command in (["docker-compose"], ["docker", "compose"]):
        if shutil.which(command[0]) and _run([*command, "version"]).returncode == 0:
            return command
    raise NoEngineError("there is neither docker-compose nor docker compose")


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=QUICK_S)


class Failed(Exception):  # noqa: N818 - what a step says when it did not work
    """A step did not do what it should."""


class Compose:
    """One project of its own name, with its own secrets, port and network."""

    def __init__(
        self, command: list[str], name: str, files: list[Path], env: Mapping[str, str]
    ) -> None:
        self.name = name
        self._base = [*command, "-p", name, *(part for file in files for part in ("-f", str(file)))]
        self.env = {**os.environ, **env}
        """What docker-compose.yml reads; a step may change it."""

    def run(self, *arguments: str, timeout: float = QUICK_S, check: bool = True) -> str:
        """One compose command; both its outputs. Raises `Failed` with their end."""
        done = subprocess.run(
            [*self._base, *arguments],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise Failed(f"{' '.join(arguments)}: {done.returncode} {done.stdout[-1500:]}")
        return done.stdout

    def ids(self, service: str) -> list[str]:
        """Its containers, running or not, by their number."""
        found = self.run("ps", "-a", "-q", service).split()
        return sorted(found, key=lambda one: str(inspect(one)["Name"]))

    def id(self, service: str) -> str:
        """The container of a service that has one."""
        (found,) = self.ids(service)
        return found


def docker(*arguments: str, check: bool = True, timeout: float = QUICK_S) -> str:
    """One docker command; both its outputs. Raises `Failed`."""
    done = subprocess.run(
        ["docker", *arguments],  # noqa: S607 - whichever PATH names
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    if check and done.returncode != 0:
        raise Failed(f"docker {' '.join(arguments)}: {done.returncode} {done.stdout[-1500:]}")
    return done.stdout.strip()


def inspect(container: str) -> dict[str, Any]:
    """What the engine knows about a container."""
    tree: list[dict[str, Any]] = json.loads(docker("inspect", container))
    return tree[0]


def health(container: str) -> str:
    """`healthy`, `starting`, `unhealthy`, or the state of one that does not run."""
    state = inspect(container)["State"]
    if state["Status"] != "running":
        return str(state["Status"])
    return str(state.get("Health", {}).get("Status", "running"))


def address(container: str, network: str) -> str:
    """Its address in a network of the project."""
    networks = inspect(container)["NetworkSettings"]["Networks"]
    found = next(n for name, n in networks.items() if name.endswith(f"_{network}"))
    return str(found["IPAddress"])
