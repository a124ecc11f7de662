"""What one program writes into Redis and another one reads."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from services.api.configuration import ConfigReader
from services.jobs.config import read_config
from services.metrics.history.encoding import Encoder
from services.supervisor.account_book import Book, new_secret
from services.supervisor.account_changes import MAX_TOKEN_NAME, change
from services.supervisor.config_news import whole_news
from services.supervisor.configuration import Configuration
from services.supervisor.entries import Malformed, parse_entry
from shared.bus.accounts import AccountReader, publish_accounts
from shared.bus.claim import Holder, take_claim
from shared.bus.commands import CommandWriter
from shared.bus.jobs import JobNews
from shared.bus.keys import Keys
from shared.bus.metrics import snapshot_rows
from shared.jobs import JobStatus
from shared.metrics.packing import unpack
from shared.models.account import Role
from shared.models.audit import AuditEntry
from shared.models.command import MAX_ARGS_BYTES, Action, CommandStatus, Receipt
from shared.models.log import LogChunk
from shared.models.log_level import LogLevel
from shared.models.service import RestartStats, ServiceState
from shared.models.startup import Phase, Startup
from shared.states import ServiceStatus
from shared.texts import encodable
from tests.readback.odd import ODD, nested
from tests.support.claim import held_fence

KEYS = Keys()


def receipts(_tmp: Path, _url: str) -> None:
    for odd in ODD:
        steps = [(1.5, odd)] * 2000
        receipt = Receipt(
            "id",
            odd,
            odd,
            odd,
            odd,
            CommandStatus.FAILED,
            odd,
            1e11,
            None,
            2.0,
            steps,
            {"results": nested(60), odd: ODD},
        )
        raw = {k.encode(): v.encode() for k, v in receipt.to_hash().items()}
        assert Receipt.from_hash("id", raw) == receipt
        assert Receipt.from_json(receipt.to_json()) == receipt


def states(_tmp: Path, _url: str) -> None:
    for odd in ODD:
        state = ServiceState(
            odd,
            ServiceStatus.FAILED,
            pid=2**31,
            exit_reason=odd,
            health_details={"odd": ODD},
            restart=RestartStats(),
            seq=2**63 - 1,
        )
        raw = {k.encode(): v.encode() for k, v in state.to_hash().items()}
        assert ServiceState.from_hash(odd, raw) == state
        assert ServiceState.from_json(state.to_json()) == state


def small_models(_tmp: Path, _url: str) -> None:
    for odd in [*ODD, "file \udcff\udc80"]:
        entry = AuditEntry(1e11, odd, odd, odd, odd, odd, "id")
        raw = {k.encode(): v.encode() for k, v in entry.to_hash().items()}
        assert AuditEntry.from_hash(b"1-0", raw).target == encodable(odd)
    for odd in ODD:
        startup = Startup(Phase.DEGRADED, odd, 1.0, 2.0, tuple(ODD), {odd: odd})
        assert Startup.from_json(startup.to_json()) == startup
        news = JobNews(odd, odd, JobStatus.RUNNING, 1.5, 1, 2, odd)
        assert JobNews.from_json(news.to_json()) == news
        chunk = LogChunk(odd, odd, odd, 0, 2**62, b"a\xff\x00\nb\n" * 1000, True, False)
        assert LogChunk.decode(chunk.encode()) == chunk
    for level in (LogLevel("ERROR", True), LogLevel()):
        assert LogLevel.from_json(level.to_json()) == level


def claims(_tmp: Path, url: str) -> None:
    async def there_and_back() -> None:
        async with AsyncRedis.from_url(url) as redis:
            for odd in ODD:
                holder = Holder(odd, odd, odd, odd, odd, 2**31, odd, odd, 1e11)
                await redis.delete(KEYS.claim)
                await take_claim(redis, KEYS, holder.to_json())
                assert (await take_claim(redis, KEYS, b"other")).holder == holder

    asyncio.run(there_and_back())


def accounts(_tmp: Path, url: str) -> None:
    async def there_and_back() -> None:
        book = Book(new_secret())
        hashed = "$2b$10$" + "a" * 53
        for name in ["admin", "ü" * 128]:
            wish = {"op": "create-user", "username": name, "password_hash": hashed, "by": "admin"}
            book, _ = change(book, name, wish, time.time())
        token = {
            "id": "t0001",
            "name": "漢" * MAX_TOKEN_NAME,
            "hash": "0" * 64,
            "role": "viewer",
            "owner": "ü" * 128,
            "created_at": 1e11,
        }
        book, _ = change(book, "x", {"op": "create-token", "token": token, "by": "admin"}, 1.0)
        async with AsyncRedis.from_url(url) as redis:
            await publish_accounts(
                redis,
                KEYS,
                await held_fence(redis, KEYS),
                book.settings,
                secret=book.secret,
                accounts=book.accounts.values(),
                tokens=book.tokens.values(),
            )
            reader = AccountReader(redis, KEYS)
            found = {account.username: account for account in await reader.all_accounts()}
            assert found.keys() == book.accounts.keys()
            assert all(found[name].role is Role.ADMIN for name in found)
            assert await reader.all_tokens() == list(book.tokens.values())

    asyncio.run(there_and_back())


def commands(_tmp: Path, url: str) -> None:
    """What the API may send is what the supervisor takes."""

    async def there_and_back() -> None:
        async with AsyncRedis.from_url(url) as redis:
            await redis.hset(KEYS.supervisor, "pid", "1")
            await redis.sadd(KEYS.services, *ODD[2:])
            writer = CommandWriter(redis, KEYS)
            room = MAX_ARGS_BYTES - len('{"updates":""}')
            trees: list[dict[str, Any]] = [
                {"updates": "x" * room},
                {"updates": ODD},
                {"updates": nested(60)},
                {},
            ]
            for number, name in enumerate(ODD[2:]):
                actor = f"{'ü' * 128}@{'f' * 39}"
                await writer.submit(
                    Action.UPDATE_APP_CONFIG,
                    name,
                    command_id=f"c{number}" + "x" * 120,
                    actor=actor,
                    source="api",
                    args=trees[number],
                    expires_at_ms=10**14,
                )
            entries: Any = await redis.xrange(KEYS.commands)
            for number, (entry_id, raw) in enumerate(entries):
                found = parse_entry(KEYS.commands, entry_id.decode(), raw, trigger=False)
                assert not isinstance(found, Malformed), found.reason
                assert found.args == trees[number]
                assert found.process_name == ODD[2:][number]

    asyncio.run(there_and_back())


def published(tmp_path: Path, url: str) -> None:
    path = tmp_path / "dumb_config.json"
    tree = {"web": {"process_name": "Web", "odd": ODD, "deep": nested(60), "n": [2**63 - 1]}}
    path.write_text(json.dumps({"dumb": {"ui": {"odd": ODD}}, **tree}))
    config = Configuration(path, tmp_path / "run", {}, tmp_path)
    config.load()
    with Redis.from_url(url) as redis:
        redis.mset(whole_news(config, KEYS).values)
        assert read_config(redis, KEYS).file == config.file

    async def read() -> None:
        async with AsyncRedis.from_url(url) as client:
            found = await ConfigReader(client, KEYS, lambda: 0).read()
        assert (found.file, found.pages.value) == (config.file, {"odd": ODD})
        assert found.by_name["Web"].block == tree["web"]

    asyncio.run(read())


def history_of_metrics(_tmp: Path, _url: str) -> None:
    encoder = Encoder()
    names = [*ODD, *(f"{n}{'x' * 200}" for n in range(500))]
    snapshot = {
        "timestamp": 1e9,
        "system": {"filesystems": [{"path": n, "percent": 1.0} for n in names]},
        "dumb_managed": [{"name": n, "pid": 1, "disk_io": None} for n in names],
        "external": [],
    }
    for number in range(1, 30):
        row = encoder.encode(number, snapshot)
        assert row.snapshot is not None
        (read,) = snapshot_rows([(b"1-0", _as_redis(row.snapshot.fields))])
        assert orjson.loads(unpack(read.snapshot.data, row.dictionary.data)) == snapshot
        point = orjson.loads(row.history.fields["p"])
        assert len(point["g"]) == 4 + 2 * len(set(names))
    assert encoder.dictionary.id  # rows with and without a dictionary were read


def _as_redis(fields: dict[Any, Any]) -> dict[bytes, bytes]:
    return {
        str(k).encode(): v if isinstance(v, bytes) else str(v).encode() for k, v in fields.items()
    }
