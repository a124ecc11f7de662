"""What the supervisor writes and its successor reads."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from services.cli.reset import _end_logins
from services.supervisor.account_args import RefusedError as AccountRefusedError
from services.supervisor.account_book import Book, new_secret
from services.supervisor.account_changes import MAX_APPLIED, MAX_TOKEN_NAME, MAX_TOKENS, change
from services.supervisor.config_history import History, Record
from services.supervisor.configuration import Author, Configuration
from services.supervisor.files.place import Place
from services.supervisor.journal import Journal
from services.supervisor.logstore import POSITION_BYTES, Limits, LogStore
from services.supervisor.records import Intent, Outcome
from services.supervisor.spool import Spool
from services.supervisor.users_file import load_users, save_users
from shared.bus.keys import Keys
from shared.config.document import load_document, save_document
from shared.config.pages import Config
from shared.errors import ConfigError, DumbError
from shared.models.account import MAX_EPOCH
from shared.models.command import CommandStatus
from shared.models.service import ServiceState
from shared.owner import TOKEN_FILE, owner_of, read_token
from tests.readback.odd import ODD, nested
from tests.support.claim import claim_of


def configuration(tmp_path: Path, _url: str) -> None:
    """The property test in tests/config/test_accepted_loads.py tries any update."""
    path = tmp_path / "dumb_config.json"
    services = {"web": {"process_name": "Web", "note": "", "deep": 1, "number": 1}}
    path.write_text(json.dumps({"dumb": {"ui": {"odd": ODD}}, **services}))
    config = Configuration(path, tmp_path / "run", {}, tmp_path)
    config.load()
    values = {"note": ODD, "deep": nested(60), "number": [-(2**63), 2**63 - 1, 1e308, -0.0, 5e-324]}
    args = {"op": "service", "process_name": "Web", "persist": True, "updates": values}
    config.adopt(config.change(args, Author("a", "b"), frozenset()))
    successor = Configuration(path, tmp_path / "run2", {}, tmp_path)
    successor.load()
    assert successor.problem == ""
    assert successor.file == config.file
    assert successor.file["web"] == {"process_name": "Web", **values}
    assert successor.pages == config.pages


def versions(tmp_path: Path, _url: str) -> None:
    history = History(tmp_path / "versions")
    history.load(None)
    tree = Config({"a": ODD, "b": nested(60), "c": [-(2**63), 2**63 - 1, 1e308]})
    for number, actor in enumerate(ODD, 1):
        record = Record(
            number, 1.5, actor, actor, actor, True, "d", "f", "id", [{"path": ODD}], tree
        )
        history.add(record)
    again = History(tmp_path / "versions")
    again.load(None)
    assert again.records == history.records
    assert again.records[-1].tree == tree


def users(tmp_path: Path, _url: str) -> None:
    """The most of everything that a change of accounts may leave, whoever sends it."""
    path = tmp_path / "users.json"
    hashed = "$argon2id$v=19$m=19456,t=2,p=1$" + "a" * 128 + "$" + "b" * 128
    book = Book(new_secret())
    names = ["admin", *(f"{'ü' * 120}{n:08d}" for n in range(40)), *ODD]
    token = {"name": "n" * MAX_TOKEN_NAME, "hash": "0" * 64, "role": "admin", "owner": "admin"}
    wishes: list[dict[str, Any]] = [
        {"op": "create-user", "username": n, "password_hash": hashed} for n in names
    ]
    wishes += [
        {"op": "create-token", "token": {**token, "id": f"t{n:06d}", "created_at": 1e11}}
        for n in range(MAX_TOKENS)
    ]
    for odd in ("x" * 1_000_000, "", "nan", "inf", "1e400", -1, 1e300, None):
        wishes.append({"op": "create-token", "token": {**token, "id": "odd1", "created_at": odd}})
        wishes.append(
            {"op": "create-token", "token": {**token, "id": "odd2", "name": odd, "created_at": 1}}
        )
    refused = 0
    for number, wish in enumerate(wishes):
        try:
            book, _ = change(book, f"{number:0128d}", {"by": "admin", **wish}, time.time())
        except AccountRefusedError:
            refused += 1
    assert refused > len(ODD)
    assert (len(book.tokens), len(book.applied)) == (MAX_TOKENS, MAX_APPLIED)
    save_users(path, book)
    assert load_users(path) == book
    # What the file says is raised at each start, and has to fit after that too.
    tree = load_document(path)
    path.write_text(json.dumps(tree | {"epoch": MAX_EPOCH - 100}))
    for _ in range(100):
        book = load_users(path)
        book.raise_epoch(0)
        save_users(path, book)
    book.raise_epoch(0)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="epoch"):
        save_users(path, book)
    assert path.read_bytes() == before
    for epoch in (MAX_EPOCH + 1, 2**63 - 1):
        path.write_text(json.dumps(tree | {"epoch": epoch}))
        with pytest.raises(ConfigError, match="epoch"):
            load_users(path)
    # `dumb users reset` writes the same file.
    for number, own in ((0, {}), (MAX_EPOCH - 1, {"admin": {"role": "viewer"}})):
        reset = tree | {"epoch": number, "accounts": own}
        _end_logins(reset, "admin")
        save_document(path, reset)
        assert load_users(path).accounts["admin"].tokens_epoch > number
    bad: dict[str, Any]
    for bad in ({"epoch": "x"}, {"epoch": MAX_EPOCH}, {"accounts": []}, {"accounts": {"admin": 1}}):
        with pytest.raises(DumbError, match=r"users\.json"):
            _end_logins(tree | bad, "admin")


def journal(tmp_path: Path, _url: str) -> None:
    path = tmp_path / "journal.jsonl"
    written = Journal(path)
    for number, odd in enumerate(ODD):
        state = ServiceState(odd, exit_reason=odd, health_details={"odd": odd})
        written.service(f"{odd}{number}", state.to_tree(), {"pid": 2**63 - 1}, [1e308, 0.0])
        written.slot(odd, 1e11)
        written.intent(Intent(f"i{number}", "start", odd, 2**63 - 1, odd))
        written.outcome(Outcome(f"o{number}", CommandStatus.FAILED, odd, time.time(), odd))
    written.close()
    read = Journal(path)
    assert read.memory.intents == written.memory.intents
    assert read.memory.outcomes == written.memory.outcomes
    assert orjson.dumps(read.memory.services) == orjson.dumps(written.memory.services)
    assert read.memory.slots == written.memory.slots
    read.close()


def position(tmp_path: Path, _url: str) -> None:
    """The largest numbers there are; a position that were cut would begin its log anew."""
    far = 2**62
    sources: list[dict[str, Any]] = [
        {"generation": far, "out": [far, far], "err": [far, far]},
        {"inode": 2**64 - 1, "offset": far},
    ]
    for number, source in enumerate(sources):
        log, place = tmp_path / f"{number}.log", tmp_path / f"{number}.pos"
        store = LogStore(Place(log), place, Limits(1 << 20, 2))
        store.size = store._start = far
        store.append("".join(ODD).encode() + b"\n\xff\xfe\n", source)
        store.close()
        assert place.stat().st_size == POSITION_BYTES
        again = LogStore(Place(log), place, Limits(1 << 20, 2))
        assert (again.source, again.size, again.generation) == (
            source,
            store.size,
            store.generation,
        )
        assert again.read(far, 1 << 20) == "".join(ODD).encode() + b"\n\xff\xfe\n"
        again.close()


def token(tmp_path: Path, url: str) -> None:
    async def there_and_back() -> None:
        home = tmp_path / os.fsdecode(b"caf\xe9")  # a path is any bytes
        claim = claim_of(home, Keys("dumb:"))
        async with Redis.from_url(url, protocol=2) as redis:
            await claim.take(redis)
        assert owner_of(read_token(home / "run" / TOKEN_FILE)) == claim.holder.owner

    asyncio.run(there_and_back())


def spool(tmp_path: Path, _url: str) -> None:
    data = os.urandom(60_000) + b"\n" + "".join(ODD[2:]).encode()
    first = Spool(tmp_path, "out")
    writer = first.writer()
    os.write(writer, data)
    while first.fill():
        pass
    os.close(writer)
    first.close()
    second = Spool(tmp_path, "out")
    assert second.read(second.oldest(), 0, 1 << 20) == data
    second.close()
