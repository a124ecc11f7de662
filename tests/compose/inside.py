"""Looking into the supervisor's container."""

import re
from typing import Final

from tests.compose.engine import Failed, docker
from tests.compose.stack import WRITER, Stack


def expect(condition: object, what: str) -> None:
    """Raises `Failed` unless it is true."""
    if not condition:
        raise Failed(what)


def pid_of(stack: Stack, module: str) -> int:
    """Inside the supervisor's container."""
    found = docker("exec", stack.compose.id("supervisor"), "python", "-c", _FIND, module)
    return int(found or 0)


_FIND: Final = (
    "import os,sys;"
    "print(next((p for p in os.listdir('/proc') if p.isdigit() and sys.argv[1].encode() in "
    "open(f'/proc/{p}/cmdline','rb').read().split(b'\\0') and int(p)!=os.getpid()),0))"
)


def service_pid(stack: Stack, name: str = WRITER) -> int:
    """As the supervisor publishes it."""
    return int(stack.redis("supervisor", "HGET", f"dumb:service:{name}", "pid") or 0)


def ids_of(stack: Stack) -> list[str]:
    """User and group of a service, which has no others, no root group, and no capability."""
    pid = service_pid(stack)
    status = docker("exec", stack.compose.id("supervisor"), "cat", f"/proc/{pid}/status")
    ids = re.findall(r"^(?:Uid|Gid|Groups):\s*(.*?)\s*$", status, flags=re.MULTILINE)
    expect(all(len(set(one.split())) == 1 for one in ids[:2]), f"ids: {ids}")
    expect("0" not in ids[2].split(), f"groups: {ids}")
    masks = re.findall(r"^Cap(?:Inh|Prm|Eff|Amb):\s*(\w+)$", status, flags=re.MULTILINE)
    expect(len(masks) == 4 and not any(int(mask, 16) for mask in masks), f"capabilities: {masks}")
    return [one.split()[0] for one in ids[:2]]


def as_service(stack: Stack, script: str, *arguments: str) -> str:
    """What a Python script prints that runs as the user of the services."""
    return docker(
        *("exec", "--user", "1000:1000", stack.compose.id("supervisor")),
        *("python", "-c", script, *arguments),
    )
