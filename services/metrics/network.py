"""Network interfaces and, on a slower clock, who listens and talks where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from services.metrics.options import ALL_INTERFACES
from services.metrics.quietly import quietly

MAX_CONNECTIONS: Final = 50
"""Shown per process (contract websocket.md 4.1)."""

COUNTERS: Final = {
    "sent_bytes": "bytes_sent",
    "recv_bytes": "bytes_recv",
    "sent_packets": "packets_sent",
    "recv_packets": "packets_recv",
    "errors_in": "errin",
    "errors_out": "errout",
    "drops_in": "dropin",
    "drops_out": "dropout",
}
"""Our names, and psutil's."""


@dataclass(slots=True)
class Sockets:
    """Of one process."""

    ports: set[int] = field(default_factory=set)
    connections: list[dict[str, Any]] = field(default_factory=list)


def read_interfaces() -> list[dict[str, Any]]:
    """Every interface of the host, by name."""
    # nowrap would keep a correction for counters that wrap, which 64-bit ones do not.
    counters = quietly(lambda: psutil.net_io_counters(pernic=True, nowrap=False)) or {}
    stats = quietly(psutil.net_if_stats) or {}
    return [_interface(name, stats.get(name), counters[name]) for name in sorted(counters)]


def select_interfaces(
    found: list[dict[str, Any]], wanted: Iterable[str]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The configured ones in that order (`all`: every one), and the sum of their counters."""
    names = list(wanted)
    by_name = {interface["name"]: interface for interface in found}
    if ALL_INTERFACES not in names:
        found = [by_name.get(name) or _interface(name, None, None) for name in names]
    there = [interface for interface in found if interface["available"]]
    return found, {key: sum(interface[key] for interface in there) for key in COUNTERS}


def _interface(name: str, stats: Any, counters: Any) -> dict[str, Any]:
    return {
        "name": name,
        "available": counters is not None,
        "is_up": None if stats is None else stats.isup,
        # 0 is psutil's word for unknown.
        "speed_mbps": None if stats is None else stats.speed or None,
        "mtu": None if stats is None else stats.mtu,
        **{key: getattr(counters, theirs, None) for key, theirs in COUNTERS.items()},
    }


def read_sockets() -> dict[int, Sockets]:
    """Listening ports and established connections by pid; of other users only as root.

    Looks into every process: for the slow clock.
    """
    found: dict[int, Sockets] = {}
    for connection in quietly(lambda: psutil.net_connections(kind="inet")) or ():
        if connection.pid is None or not connection.laddr:
            continue
        if connection.status == psutil.CONN_LISTEN:
            found.setdefault(connection.pid, Sockets()).ports.add(connection.laddr.port)
        elif connection.status == psutil.CONN_ESTABLISHED:
            shown = found.setdefault(connection.pid, Sockets()).connections
            if len(shown) < MAX_CONNECTIONS:
                shown.append(_connection(connection))
    return found


def _connection(connection: Any) -> dict[str, Any]:
    remote = connection.raddr
    return {
        "status": connection.status,
        "laddr": [connection.laddr.ip, connection.laddr.port],
        "raddr": [remote.ip, remote.port] if remote else None,
    }


def sockets_of(pids: Iterable[int], sockets: Mapping[int, Sockets]) -> dict[str, Any]:
    """The fields `ports` and `net_connections`, each only if there are any."""
    own = [sockets[pid] for pid in pids if pid in sockets]
    ports = sorted({port for one in own for port in one.ports})
    talks = [talk for one in own for talk in one.connections][:MAX_CONNECTIONS]
    return ({"ports": ports} if ports else {}) | ({"net_connections": talks} if talks else {})
