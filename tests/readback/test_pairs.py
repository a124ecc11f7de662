"""What is written can be read back: every pair of a writer and a reader, in one table.

`PAIRS` names the modules that write; a module that writes files and is not in it fails a test.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.supervisor.job import Job
from services.supervisor.journal import Journal
from shared.models.command import Action, Command, CommandStatus, Receipt
from tests.readback import other_files, redis_values, supervisor_files

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pair:
    """Who writes what, who reads it, the modules that write, and the test of it."""

    what: str
    reader: str
    modules: tuple[str, ...]
    check: Callable[[Path, str], None]


PAIRS = [
    Pair(
        "dumb_config.json",
        "Configuration.load",
        ("services/supervisor/configuration.py", "shared/config/document.py"),
        supervisor_files.configuration,
    ),
    Pair(
        "run/config.versions",
        "History.load",
        ("services/supervisor/config_history.py",),
        supervisor_files.versions,
    ),
    Pair(
        "users.json",
        "load_users",
        ("services/supervisor/users_file.py", "services/cli/reset.py"),
        supervisor_files.users,
    ),
    Pair(
        "run/journal.jsonl",
        "Journal",
        ("services/supervisor/journal.py",),
        supervisor_files.journal,
    ),
    Pair(
        "run/logs/*.pos and log files",
        "LogStore",
        ("services/supervisor/logstore.py",),
        supervisor_files.position,
    ),
    Pair(
        "run/supervisor.token",
        "read_token",
        ("services/supervisor/claim.py",),
        supervisor_files.token,
    ),
    Pair("spools", "Spool", ("services/supervisor/spool.py",), supervisor_files.spool),
    Pair("dumb:command:<id>", "Receipt.from_hash", (), redis_values.receipts),
    Pair("dumb:commands:claim", "Holder.from_json", (), redis_values.claims),
    Pair("dumb:service:<name>", "ServiceState.from_hash", (), redis_values.states),
    Pair(
        "dumb:audit, dumb:startup, dumb:jobs, dumb:logs, dumb:log-level",
        "from_*",
        (),
        redis_values.small_models,
    ),
    Pair("dumb:auth:*", "AccountReader", (), redis_values.accounts),
    Pair("dumb:commands", "parse_entry", (), redis_values.commands),
    Pair("dumb:config", "ConfigReader, read_config", (), redis_values.published),
    Pair("dumb:metrics:*", "snapshot_rows, unpack", (), redis_values.history_of_metrics),
    Pair(
        "seerr_sync_state.json, dumb:seerr:*",
        "Store.load",
        ("services/jobs/seerr/store.py",),
        other_files.seerr_state,
    ),
    Pair(
        "jobs/snapshots",
        "load_document",
        ("services/jobs/housekeeping/snapshots.py",),
        other_files.snapshots,
    ),
    Pair(
        "application files",
        "Format.shown",
        ("services/supervisor/appfiles/store.py",),
        other_files.application_files,
    ),
    Pair(
        "redis.url",
        "load_settings",
        ("services/launcher/files.py", "services/launcher/up.py"),
        other_files.redis_url,
    ),
    Pair(
        "redis/redis.conf",
        "prepare",
        ("services/launcher/private_redis.py",),
        other_files.private_redis,
    ),
    Pair("logins.json", "LoginStore.find", ("services/cli/logins.py",), other_files.logins),
    Pair("*.lock", "holder_noted", ("shared/lock.py",), other_files.locks),
]

ELSEWHERE = {
    "services/supervisor/accounts.py": "accounts.seen: only whether it is there counts",
    "services/launcher/home.py": "a copy of the sample, byte by byte",
    "services/launcher/console.py": "the terminal",
    "services/launcher/__main__.py": "the terminal",
    "services/launcher/sample_redis.py": "read back by the Redis that it becomes",
    "services/cli/config/edit.py": "read back by its own parser, which says what is wrong",
}
WRITES = re.compile(
    r"save_document\(|replace_document\(|write_private\(|os\.p?write\(|os\.replace\(|os\.splice\("
    r'|\.write_(?:text|bytes)\(|os\.fdopen\([^)]*"w'
)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.what)
def test_what_the_writer_accepts_the_reader_reads(
    pair: Pair, tmp_path: Path, redis_url: str
) -> None:
    pair.check(tmp_path, redis_url)


def test_every_writer_of_a_file_is_in_the_table() -> None:
    found = {
        str(path.relative_to(PROJECT))
        for package in ("services", "shared")
        for path in (PROJECT / package).rglob("*.py")
        if WRITES.search(path.read_text(encoding="utf-8"))
    }
    assert found == {module for pair in PAIRS for module in pair.modules} | ELSEWHERE.keys()


async def test_a_sentence_about_a_file_with_any_name_ends_its_command(tmp_path: Path) -> None:
    """Names of files are bytes; what is not UTF-8 in one cannot stand in JSON, nor in Redis."""

    class Told:
        def __init__(self) -> None:
            self.receipts: list[bytes] = []

        def receipt(self, receipt: Receipt) -> None:
            self.receipts.append(orjson.dumps(receipt.to_hash()))

        def audit(self, *_: Any, **__: Any) -> None:
            return

    told: Any = Told()
    journal = Journal(tmp_path / "journal.jsonl")
    job = Job(Command("id", Action.START, "Web", "", "", source="redis"), journal, told)
    job.internal = False
    name = os.fsdecode(b"/data/caf\xe9.json")
    job.step(f"reading {name}")
    job.finish(CommandStatus.FAILED, f"{name}: Permission denied.")
    assert b"caf?.json: Permission denied." in told.receipts[-1]
    assert "Permission denied" in Journal(tmp_path / "journal.jsonl").memory.outcomes["id"].detail
