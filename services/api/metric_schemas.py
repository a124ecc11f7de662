"""Answers about measurements, as the OpenAPI document shows them (docs/metrics.md).

Sizes in bytes, counters since the start of what is counted, percents from 0 to 100 (of a process:
of one core), times in epoch seconds. Null: it could not be measured.
"""

from typing import Any

from pydantic import BaseModel, Field


class Share(BaseModel):
    """How much of something is used."""

    total: float | None
    used: float | None
    percent: float | None


class Inodes(Share):
    """Of one file system."""

    free: int | None
    path: str


class FileSystem(Share):
    """One file system. `available` false: it does not answer."""

    path: str
    mount_point: str | None
    fs_type: str | None
    available: bool
    free: int | None = None


class WatchedFileSystem(FileSystem):
    """With its inodes."""

    inode: Inodes


class Transfer(BaseModel):
    """What was read and written."""

    read_bytes: int | None
    write_bytes: int | None
    read_count: int | None = None
    write_count: int | None = None


class Traffic(BaseModel):
    """Of all watched interfaces together, or of one."""

    sent_bytes: int | None
    recv_bytes: int | None
    sent_packets: int | None = None
    recv_packets: int | None = None
    errors_in: int | None = None
    errors_out: int | None = None
    drops_in: int | None = None
    drops_out: int | None = None


class NetworkInterface(Traffic):
    """One interface. `available` false: there is none of this name."""

    name: str
    available: bool
    is_up: bool | None
    speed_mbps: int | None
    mtu: int | None


class SystemSample(BaseModel):
    """The host, or the container whose limits are the measure (`scope`)."""

    scope: str = Field(description="host, cgroup")
    cpu_percent: float | None
    cpu_count: float | None
    load_avg: list[float] | None
    mem: Share
    swap: Share
    disk: FileSystem = Field(description="The first of `filesystems`")
    inode: Inodes
    filesystems: list[WatchedFileSystem]
    disk_io: Transfer
    net_io: Traffic
    network_interfaces: list[NetworkInterface]
    boot_time: float
    container_start_time: float


class ProcessSample(BaseModel):
    """One process. `ports` and `net_connections` only where there are any."""

    name: str
    pid: int
    cpu_percent: float | None = None
    rss: int | None = None
    vms: int | None = None
    threads: int | None = None
    disk_io: Transfer | None = None
    ports: list[int] | None = None
    net_connections: list[dict[str, Any]] | None = None


class ServiceSample(ProcessSample):
    """A service: its main process, and its whole tree."""

    start_time: float | None = None
    tree_rss: int | None = None
    tree_cpu_percent: float | None = None
    children: int | None = None
    disk_paths: dict[str, Any] | None = None
    ports_config: list[int] | None = None


class ExternalSample(ProcessSample):
    """A process that is not one of the services."""

    container_id: str | None


class Snapshot(BaseModel):
    """Everything that is measured, at one moment."""

    timestamp: float
    system: SystemSample
    dumb_managed: list[ServiceSample]
    external: list[ExternalSample]
    database_health: dict[str, Any]
    plex_status: dict[str, Any]


class Snapshots(BaseModel):
    """The oldest first. `truncated`: older ones were left out."""

    items: list[Snapshot]
    truncated: bool


class FileSystems(BaseModel):
    """What is watched, and what could be."""

    configured_paths: list[str]
    candidates: list[WatchedFileSystem]


class NetworkInterfaces(BaseModel):
    """What is watched, and what could be."""

    configured_interfaces: list[str]
    candidates: list[NetworkInterface]


class Series(BaseModel):
    """What charts are drawn from. Every array of `series` is as long as `timestamps`."""

    items: list[dict[str, Any]] = Field(description="Compact snapshots")
    series: dict[str, Any]
    timestamps: list[float]
    truncated: bool
    stats: dict[str, Any] | None = Field(description="`min` and `max` of every array")
    bucket_seconds: int | None = Field(description="Null: every row")


class Tier(BaseModel):
    """One resolution of the history."""

    samples: int
    oldest_timestamp: float | None
    newest_timestamp: float | None


class HistoryStore(Tier):
    """Where the history is."""

    path: str
    raw_bytes: int
    compressed_bytes: int
    file_bytes: int
    compression_ratio: float
    tiers: dict[str, Tier]


class HistoryStorage(BaseModel):
    """What the history takes up. `sqlite` describes the streams in Redis, which play its part."""

    configured_provider: str
    active_provider: str
    fallback_active: bool
    last_error: str | None
    last_postgresql_success: float | None
    sqlite: HistoryStore
    postgresql: dict[str, Any] | None
    legacy_jsonl: dict[str, Any]


class Migration(BaseModel):
    """What became of an import of the original's history."""

    completed: bool
    files: int
    samples: int
    skipped: int


class DatabaseHealth(BaseModel):
    """Not built: always off."""

    enabled: bool
    interval_sec: int
    supported_count: int
    monitored_count: int
    pressure_counts: dict[str, int]
    services: list[dict[str, Any]]


class PlexStatus(BaseModel):
    """Not built: always off."""

    enabled: bool
    available: bool
    stale: bool
    indicator: str
    description: str
    source_url: str
    interval_sec: int
