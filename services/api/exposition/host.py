"""The host, or the container whose limits are the measure, as the collector saw it last."""

from collections.abc import Iterable
from typing import Any, Final

from prometheus_client.core import Metric

from services.api.exposition.families import Labelled, counter, counters, gauge, gauges
from services.api.exposition.sources import Sources, number, part, parts

_NETWORK: Final = {
    "sent_bytes": ("transmit_bytes", "Bytes sent."),
    "recv_bytes": ("receive_bytes", "Bytes received."),
    "sent_packets": ("transmit_packets", "Packets sent."),
    "recv_packets": ("receive_packets", "Packets received."),
    "errors_in": ("receive_errors", "Errors while receiving."),
    "errors_out": ("transmit_errors", "Errors while sending."),
    "drops_in": ("receive_drops", "Incoming packets that were dropped."),
    "drops_out": ("transmit_drops", "Outgoing packets that were dropped."),
}


async def collect(sources: Sources) -> list[Metric]:
    """Nothing without a snapshot."""
    system = part(sources.snapshot, "system")
    return [*_host(system), *_filesystems(system), *_network(system)] if system else []


def _host(system: dict[str, Any]) -> list[Metric]:
    memory, swap, disk = part(system, "mem"), part(system, "swap"), part(system, "disk_io")
    load = system.get("load_avg")
    cpu = number(system.get("cpu_percent"))
    return [
        gauge(
            "dumb_host_cpu_usage_ratio", "Share of all CPUs that is used.",
            None if cpu is None else cpu / 100,
        ),
        gauge("dumb_host_cpus", "CPUs there are.", number(system.get("cpu_count"))),
        gauge(
            "dumb_host_load1", "Load average of a minute.",
            number(load[0]) if isinstance(load, list) and load else None,
        ),
        gauge("dumb_host_memory_size_bytes", "Memory there is.", number(memory.get("total"))),
        gauge("dumb_host_memory_used_bytes", "Memory in use.", number(memory.get("used"))),
        gauge("dumb_host_swap_size_bytes", "Swap there is.", number(swap.get("total"))),
        gauge("dumb_host_swap_used_bytes", "Swap in use.", number(swap.get("used"))),
        counter("dumb_disk_read_bytes", "Bytes read from disks.", number(disk.get("read_bytes"))),
        counter(
            "dumb_disk_written_bytes", "Bytes written to disks.", number(disk.get("write_bytes"))
        ),
        gauge(
            "dumb_host_boot_time_seconds", "When the host was started, epoch seconds.",
            number(system.get("boot_time")),
        ),
    ]  # fmt: skip


def _filesystems(system: dict[str, Any]) -> list[Metric]:
    entries = parts(system, "filesystems")

    def of(key: str) -> Iterable[Labelled]:
        return (((str(e.get("path")),), number(e.get(key))) for e in entries)

    return [
        gauges(
            "dumb_filesystem_available", "1 while the file system answers.", ("path",),
            (((str(e.get("path")),), float(e.get("available") is True)) for e in entries),
        ),
        gauges("dumb_filesystem_size_bytes", "Size.", ("path",), of("total")),
        gauges("dumb_filesystem_used_bytes", "Used.", ("path",), of("used")),
        gauges("dumb_filesystem_free_bytes", "Free for ordinary users.", ("path",), of("free")),
        gauges(
            "dumb_filesystem_inodes_used_ratio", "Share of the inodes in use.", ("path",),
            (((str(e.get("path")),), _share(part(e, "inode"))) for e in entries),
        ),
    ]  # fmt: skip


def _share(inode: dict[str, Any]) -> float | None:
    used, total = number(inode.get("used")), number(inode.get("total"))
    return used / total if used is not None and total else None


def _network(system: dict[str, Any]) -> list[Metric]:
    entries = parts(system, "network_interfaces")
    return [
        counters(
            f"dumb_network_{name}",
            text,
            ("interface",),
            [((str(e.get("name")),), number(e.get(key))) for e in entries],
        )
        for key, (name, text) in _NETWORK.items()
    ]
