"""What the jobs program, applications, the launcher and the command line write and read."""

import asyncio
import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis as AsyncRedis

from services.cli.logins import Login, LoginStore
from services.jobs.seerr.requests import MAX_ID, parse_request
from services.jobs.seerr.state import Copy, Failure, SyncState
from services.jobs.seerr.store import MAX_BYTES as SEERR_BYTES
from services.jobs.seerr.store import Store
from services.launcher.files import write_private
from services.launcher.private_redis import prepare
from services.supervisor.appfiles.errors import AppFileError
from services.supervisor.appfiles.formats import INI, JSON, POSTGRESQL, PYTHON, XML, YAML, Format
from services.supervisor.appfiles.text import Document
from shared.bus.keys import Keys
from shared.config.document import MAX_BYTES, load_document, save_document
from shared.config.pages import config_of
from shared.lock import holder_noted, note_holder
from shared.redis_url import RedisAddress, parse_redis_url
from shared.settings import load_settings
from tests.readback.odd import ODD, nested

KEYS = Keys()


def seerr_state(tmp_path: Path, url: str) -> None:
    """More than fits into a configuration, and what a strange Seerr answers."""
    file = tmp_path / "seerr_sync_state.json"
    state = SyncState(last_poll="2026-01-29T21:32:46Z")
    for number in range(30_000):
        copy = Copy(number, 2, "2026-01-29T21:32:46Z", frozenset({number}), frozenset({1, 2}))
        state.copies[f"movie:{number}:False"] = {"one": [copy], "two": [copy, copy]}
    for odd in ODD:
        state.copies[f"{odd}:odd"] = {odd: [Copy(MAX_ID, 1, odd)]}
        state.failures[f"{odd}||x"] = Failure("2026-01-29T21:32:46Z", odd, odd, MAX_ID)
    for strange in (MAX_ID + 1, 2**64 - 1, -1, 1.5, True, "7"):
        with pytest.raises(ValueError, match="id"):
            parse_request({"id": strange, "status": 1})
    assert parse_request({"id": MAX_ID, "status": 1}).id == MAX_ID

    async def there_and_back() -> None:
        async with AsyncRedis.from_url(url) as redis:
            store = Store(redis, KEYS, file)
            await store.set_meta({"unsaved": "1"})
            assert await store.mirror(state)
            assert MAX_BYTES < file.stat().st_size < SEERR_BYTES
            await redis.flushdb()
            assert (await store.load()).to_file() == state.to_file()  # out of the file
            assert (await store.load()).to_file() == state.to_file() | {  # out of Redis
                "last_poll_ts": state.last_poll
            }

    asyncio.run(there_and_back())
    assert not file.with_name(f"{file.name}.unreadable").exists()


def snapshots(tmp_path: Path, _url: str) -> None:
    tree = {"web": {"process_name": "Web", "odd": ODD, "deep": nested(60)}}
    save_document(tmp_path / "copy.json", config_of(tree), private=True)
    assert load_document(tmp_path / "copy.json") == tree


APPLICATION: list[tuple[Format, str, list[Any]]] = [
    (JSON, '{"a": 1}', [{"a": odd} for odd in ODD] + [{odd: 1} for odd in ODD]),
    (YAML, "a: 1\n", [{"a": odd} for odd in ODD[2:]] + [{odd: 1} for odd in ODD[2:]]),
    (INI, "[s]\na = 1\n", [{"s": {"a": odd}} for odd in ODD] + [{odd: {odd: "1"}} for odd in ODD]),
    (POSTGRESQL, "a = 1\n", [{"a": odd} for odd in ODD]),
    (XML, "<C><A>1</A></C>\n", [{"C": {"A": odd}} for odd in ODD] + [{"A": odd} for odd in ODD]),
    (PYTHON, "A = 1\n", ["A = 2\n", "A = 10 ** 3\n", f"A = {'9' * 50}\n", "A = 'é'\n"]),
]


def application_files(_tmp: Path, _url: str) -> None:
    written = 0
    for form, text, updates in APPLICATION:
        plain, dos = Document(text), Document.decode(text.replace("\n", "\r\n").encode())
        wishes = [*updates, {"a": nested(62)}, {"a": nested(64)}]
        for before, update in itertools.product((plain, dos), wishes):
            try:
                new = form.updated(before, update)
            except AppFileError:
                continue
            written += 1
            document = Document.decode(before.encode(new))
            form.shown(document)
            assert form.updated(document, new) in (new, document.text)  # and can be changed again
    assert written > 30
    # Exactly the size that is read, and not a byte more: there a file could not be mended here.
    for form, pattern in ((YAML, "a: {}\n"), (PYTHON, "A = '{}'\n"), (INI, "[s]\na = {}\n")):
        room = form.max_bytes - len(pattern.format("").encode())
        for size, fits in ((room, True), (room + 1, False)):
            given = pattern.format("x" * size)
            with pytest.raises(AppFileError) if not fits else _fine():
                form.updated(Document(pattern.format("1")), given)
    large = pattern_of(YAML.max_bytes - 100)
    with pytest.raises(AppFileError, match="larger than 1024 KiB"):
        YAML.updated(Document(large), {"b": "y" * 200})


def pattern_of(size: int) -> str:
    return f"a: {'x' * size}\n"


class _fine:  # noqa: N801 - reads as what it says
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def redis_url(tmp_path: Path, _url: str) -> None:
    for password in ("p", "p@ss:/?#[]%25 &=+'\"", "ü漢😀", "x" * 4000):
        for address in (
            RedisAddress("127.0.0.1", 6390, user="default", password=password),
            RedisAddress("::1", 1, user="ü@", password=password, db=15, tls=True),
            RedisAddress(path="/tmp/a b/ü?#%.sock", user="default", password=password),  # noqa: S108
        ):
            write_private(tmp_path / "redis.url", f"{address.to_url()}\n".encode())
            read = load_settings({"DUMB_HOME": str(tmp_path)}).redis_url
            found = parse_redis_url(read)
            kept = replace(found, host=address.host, port=address.port) if address.path else found
            assert kept == address


def private_redis(tmp_path: Path, _url: str) -> None:
    for name in ("plain", 'odd " \\ ü # %', "x" * 150):
        home = tmp_path / name
        home.mkdir()
        first, second = prepare(home, "redis-server"), prepare(home, "redis-server")
        assert first.tcp == second.tcp


def logins(tmp_path: Path, _url: str) -> None:
    store = LoginStore(tmp_path / "logins.json")
    for number, odd in enumerate(ODD):
        store.save(f"http://{number}", Login(odd, odd, odd))
    for number, odd in enumerate(ODD):
        assert store.find(f"http://{number}") == Login(odd, odd, odd)


def locks(tmp_path: Path, _url: str) -> None:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    os.write(descriptor, b"9" * 100)
    note_holder(descriptor)
    assert holder_noted(descriptor) == os.getpid()
    os.close(descriptor)
