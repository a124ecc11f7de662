"""The name of every Redis key and channel (docs/protocol.md)."""

from dataclasses import dataclass

GROUP = "supervisor"
"""The one consumer group of both command streams, and its one, fixed consumer name."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix (`DUMB_REDIS_PREFIX`, default `dumb:`)."""

    prefix: str = "dumb:"

    @property
    def commands(self) -> str:
        return f"{self.prefix}commands"

    @property
    def triggers(self) -> str:
        return f"{self.prefix}triggers"

    @property
    def rejected(self) -> str:
        return f"{self.prefix}commands:rejected"

    @property
    def command_counts(self) -> str:
        """Hash: how many commands ended how, and how long they took."""
        return f"{self.prefix}commands:counts"

    @property
    def command_results(self) -> str:
        """Channel: every change of a receipt, as a JSON object."""
        return f"{self.prefix}command-results"

    @property
    def audit(self) -> str:
        return f"{self.prefix}audit"

    @property
    def services(self) -> str:
        """Set of all process names."""
        return f"{self.prefix}services"

    @property
    def status(self) -> str:
        """Channel: one JSON object per change of a service hash."""
        return f"{self.prefix}status"

    @property
    def supervisor(self) -> str:
        """Hash with a TTL: the heartbeat."""
        return f"{self.prefix}supervisor"

    @property
    def claim(self) -> str:
        """String with a TTL: which supervisor may write (shared/bus/claim.py), as JSON.

        Under `commands:`, because the Redis users of the first version let a supervisor write
        there: an upgrade needs no new users.acl before it.
        """
        return f"{self.prefix}commands:claim"

    @property
    def startup(self) -> str:
        """String: how the boot goes, as JSON."""
        return f"{self.prefix}startup"

    @property
    def config(self) -> str:
        return f"{self.prefix}config"

    @property
    def config_version(self) -> str:
        return f"{self.prefix}config:version"

    @property
    def config_problem(self) -> str:
        """String: why the file on disk was refused; absent while it is fine."""
        return f"{self.prefix}config:problem"

    @property
    def config_ui(self) -> str:
        """String: `dumb.ui` as JSON, file and effective; it stands nowhere else."""
        return f"{self.prefix}config:ui"

    @property
    def config_ui_revision(self) -> str:
        return f"{self.prefix}config:ui:revision"

    @property
    def config_versions(self) -> str:
        """Hash: version to what changed with it, the last 20."""
        return f"{self.prefix}config:versions"

    @property
    def config_changed(self) -> str:
        """Channel: one JSON object per version."""
        return f"{self.prefix}config:changed"

    @property
    def environment(self) -> str:
        """String: what the supervisor runs on, as JSON."""
        return f"{self.prefix}environment"

    @property
    def log_level(self) -> str:
        """String: `LogLevel` as JSON."""
        return f"{self.prefix}log-level"

    @property
    def log_level_changed(self) -> str:
        """Channel: the same."""
        return f"{self.prefix}log-level:changed"

    @property
    def log_pattern(self) -> str:
        return f"{self.prefix}logs:*"

    def command(self, command_id: str) -> str:
        return f"{self.prefix}command:{command_id}"

    def answer(self, command_id: str) -> str:
        """String, gone after a minute or once it was fetched: what a command read."""
        return f"{self.prefix}answer:{command_id}"

    def service(self, process_name: str) -> str:
        return f"{self.prefix}service:{process_name}"

    def log(self, log_name: str) -> str:
        return f"{self.prefix}log:{log_name}"

    def logmeta(self, log_name: str) -> str:
        return f"{self.prefix}logmeta:{log_name}"

    def log_channel(self, log_name: str) -> str:
        return f"{self.prefix}logs:{log_name}"

    # Accounts: written by the supervisor (docs/protocol.md, "Accounts").

    @property
    def auth_settings(self) -> str:
        """Hash: `AuthSettings`. Absent means unknown, never "no users"."""
        return f"{self.prefix}auth:settings"

    @property
    def auth_users(self) -> str:
        """Hash: username to `Account` as JSON."""
        return f"{self.prefix}auth:users"

    @property
    def auth_tokens(self) -> str:
        """Hash: SHA-256 of an API token to `ApiToken` as JSON."""
        return f"{self.prefix}auth:tokens"

    @property
    def auth_secret(self) -> str:
        """String: what tokens are signed with. Only the API may read it."""
        return f"{self.prefix}auth:secret"

    @property
    def auth_problem(self) -> str:
        """String: why the supervisor cannot serve accounts; absent while it can."""
        return f"{self.prefix}auth:problem"

    @property
    def auth_changed(self) -> str:
        """Channel: accounts or a session changed; whoever is logged in is judged again."""
        return f"{self.prefix}auth:changed"

    # Sessions and limits: written by the API.

    def session(self, family: str) -> str:
        """Hash: one login with its chain of refresh tokens."""
        return f"{self.prefix}session:{family}"

    def rate(self, what: str, whom: str) -> str:
        """Sorted set: attempts by their time."""
        return f"{self.prefix}rate:{what}:{whom}"

    # Metrics: written by the collector.

    @property
    def metrics(self) -> str:
        """Channel: every snapshot. While somebody subscribes, there is one every two seconds."""
        return f"{self.prefix}metrics"

    @property
    def metrics_fast(self) -> str:
        """Channel without messages: who subscribes wants two snapshots a second."""
        return f"{self.prefix}metrics:fast"

    @property
    def metrics_latest(self) -> str:
        """String: the last snapshot as JSON, gone when it is old."""
        return f"{self.prefix}metrics:latest"

    @property
    def metrics_candidates(self) -> str:
        """String: file systems and network interfaces of the host, as JSON."""
        return f"{self.prefix}metrics:candidates"

    @property
    def metrics_collector(self) -> str:
        """Hash with a TTL: who collects, and what that costs."""
        return f"{self.prefix}metrics:collector"

    # Background jobs: written by the jobs program and, where it enqueues, by the API.

    @property
    def jobs(self) -> str:
        """Channel: one JSON object per change of a job."""
        return f"{self.prefix}jobs"

    @property
    def jobs_open(self) -> str:
        """Hash: id to the last event of every job that is not over."""
        return f"{self.prefix}jobs:open"

    @property
    def jobs_programs(self) -> str:
        """Hash: id to heartbeat of every jobs program."""
        return f"{self.prefix}jobs:programs"

    @property
    def jobs_lease(self) -> str:
        """String with a TTL: the id of the one program that schedules."""
        return f"{self.prefix}jobs:lease"

    @property
    def jobs_schedule(self) -> str:
        """Hash: kind of job to its last and next run."""
        return f"{self.prefix}jobs:schedule"

    @property
    def jobs_counters(self) -> str:
        """Hash: what jobs did since Redis began, for Prometheus."""
        return f"{self.prefix}jobs:counters"

    @property
    def jobs_gone(self) -> str:
        """Hash: a log without a service to when that was first seen."""
        return f"{self.prefix}jobs:gone"

    # History of the metrics.

    @property
    def metrics_dictionary(self) -> str:
        """Hash: id to what rows of the history were compressed with; `current` is an id."""
        return f"{self.prefix}metrics:dictionary"

    @property
    def metrics_totals(self) -> str:
        """Hash: rows and bytes of each history stream."""
        return f"{self.prefix}metrics:totals"

    @property
    def metrics_migration(self) -> str:
        """Hash: what was taken over of the original's history."""
        return f"{self.prefix}metrics:migration"

    @property
    def metrics_requests(self) -> str:
        """Channel: what the API asks the collector to do."""
        return f"{self.prefix}metrics:requests"

    def metrics_history(self, tier: str) -> str:
        """Stream: the numbers for charts, and compact snapshots."""
        return f"{self.prefix}metrics:history:{tier}"

    def metrics_snapshots(self, tier: str) -> str:
        """Stream: full snapshots, under the ids of the history."""
        return f"{self.prefix}metrics:snapshots:{tier}"

    def metrics_answer(self, request_id: str) -> str:
        """List of one answer, gone after a minute."""
        return f"{self.prefix}metrics:answer:{request_id}"

    # Seerr sync: written by the jobs program; the API removes failures that a person clears.

    @property
    def seerr_requests(self) -> str:
        """Hash: fingerprint to what is known of its copies."""
        return f"{self.prefix}seerr:requests"

    @property
    def seerr_failed(self) -> str:
        """Hash: `<fingerprint>||<subordinate>` to the failure."""
        return f"{self.prefix}seerr:failed"

    @property
    def seerr_meta(self) -> str:
        """Hash: last poll, whose requests these are, what the last cycle did."""
        return f"{self.prefix}seerr:meta"

    @property
    def seerr_counters(self) -> str:
        """Hash: what the sync did since Redis began, for Prometheus."""
        return f"{self.prefix}seerr:counters"

    @property
    def seerr_lease(self) -> str:
        """String with a TTL: the one cycle that runs."""
        return f"{self.prefix}seerr:lease"
