"""`POST /config/service-config` through a real API, Redis and supervisor."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
import uvloop
from redis.client import PubSub

from services.api.app import create_app
from services.api.bridge import Bridge
from services.api.server import listen, make_server
from shared.bus.keys import Keys
from tests.supervisor.live import service
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until

PATH = "/config/service-config"
TOKEN = "tok-3c2f1e0d9b8a"
Post = Callable[..., Any]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def boss(redis_url: str, tmp_path: Path) -> Iterator[SupervisorProcess]:
    app = tmp_path / "app"
    app.mkdir()
    (app / "config.xml").write_bytes(
        f'<?xml version="1.0"?>\r\n<Config>\r\n  <!-- key -->\r\n  <ApiKey>{TOKEN}</ApiKey>\r\n'
        "  <Port>8989</Port>\r\n</Config>\r\n".encode()
    )
    (app / "a.yml").write_text(f"# mine\ntoken: '{TOKEN}'  # keep\n")
    (app / "big.json").write_bytes(b'{"a": "' + b"x" * (5 << 20) + b'"}')
    (app / "notes.txt").touch()
    (app / "c.py").write_text("A = 1\n")
    (app / "out.json").symlink_to("/etc/hostname")
    names = {
        "Yaml": "a.yml",
        "Big": "big.json",
        "Text": "notes.txt",
        "Gone": "gone.ini",
        "Code": "c.py",
        "Out": "out.json",
        "Up": "x/../../../etc/hostname",
    }
    blocks: dict[str, Any] = {
        name.lower(): service(name, config_file=str(app / file)) for name, file in names.items()
    }
    blocks["plain"] = service("Plain")
    sonarr = service("Sonarr", config_file=str(app / "config.xml"), config_dir=str(app))
    blocks["sonarr"] = {"instances": {"Default": sonarr}}
    found = SupervisorProcess(tmp_path / "home", redis_url, blocks)
    found.start()
    yield found
    found.close()


@pytest_asyncio.fixture
async def http(redis_url: str, boss: SupervisorProcess) -> AsyncIterator[httpx.AsyncClient]:
    assert boss.beats()
    app = create_app(redis_url, Keys())
    sock = listen("127.0.0.1", 0)
    server = make_server(app)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    try:
        await wait_until(lambda: server.started, what="uvicorn listens")
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            bridge: Bridge = app.state.bridge
            assert await bridge.wait_connected(10)
            yield client
    finally:
        server.should_exit = True
        await serving
        sock.close()


async def test_reading_and_writing(
    http: httpx.AsyncClient, boss: SupervisorProcess, tmp_path: Path
) -> None:
    file = tmp_path / "app/config.xml"
    before = file.read_bytes()
    read = await http.post(PATH, json={"service_name": "Sonarr", "updates": {}})
    assert read.status_code == 200
    assert read.json() == {
        "service": "Sonarr",
        "service_path": "sonarr.instances.Default",
        "config_format": "xml",
        "config": {"Config": {"ApiKey": TOKEN, "Port": "8989"}},
        "raw": before.decode(),
    }
    body = {"service_name": "Sonarr", "updates": {"Port": 8990}, "config_format": "xml"}
    written = await http.post("/api" + PATH + "/", json=body)
    assert written.status_code == 200
    assert written.json() == {
        "status": "Config updated successfully",
        "service": "Sonarr",
        "service_path": "sonarr.instances.Default",
        "changed": True,
    }
    assert file.read_bytes() == before.replace(b"8989", b"8990")
    assert file.with_name("config.xml.bak").read_bytes() == before
    same = await http.post(PATH, json={"service_name": "Sonarr", "updates": {"Port": "8990"}})
    assert same.json()["changed"] is False
    entries: Any = boss.redis.xrange("dumb:audit")
    audit = [fields for _, fields in entries if b"app-config" in fields[b"action"]]
    assert [(a[b"action"], a[b"target"], a[b"actor"], a[b"outcome"]) for a in audit] == [
        (b"read-app-config", b"Sonarr", b"api@127.0.0.1", b"succeeded: read"),
        (b"update-app-config", b"Sonarr", b"api@127.0.0.1", b"succeeded: changed"),
        (b"update-app-config", b"Sonarr", b"api@127.0.0.1", b"succeeded: nothing to change"),
    ]


async def test_anything_empty_reads(http: httpx.AsyncClient) -> None:
    nothing: list[Any] = [None, {}, "", []]
    for more in [{}, *({"updates": value} for value in nothing)]:
        answer = await http.post(PATH, json={"service_name": "Yaml", **more})
        assert answer.status_code == 200, more
        assert answer.json()["config"] == {"token": TOKEN}


async def test_secrets_stay_nowhere(http: httpx.AsyncClient, boss: SupervisorProcess) -> None:
    """Not in Redis once it is answered, not in the journal, not in a log."""
    channel: PubSub = boss.redis.pubsub()  # type: ignore[no-untyped-call]
    channel.psubscribe("*")
    assert (await http.post(PATH, json={"service_name": "Yaml"})).json()["config"]["token"] == TOKEN
    other = "s3cr3t-" + TOKEN
    body = {"service_name": "Yaml", "updates": {"token": other}}
    assert (await http.post(PATH, json=body)).status_code == 200
    broken = {"service_name": "Yaml", "updates": f"a: !x {other}"}
    assert (await http.post(PATH, json=broken)).status_code == 400

    def acknowledged() -> bool:
        pending: Any = boss.redis.xpending("dumb:commands", "supervisor")
        entries: Any = boss.redis.xrange("dumb:commands")
        kept = [fields for _, fields in entries if fields.get(b"args", b"{}") != b"{}"]
        return pending["pending"] == 0 and not kept

    await wait_until(acknowledged, what="the entries gone")
    heard = []
    while message := channel.get_message():
        heard.append(message["data"])
    channel.close()
    assert len(heard) > 1
    assert not [data for data in heard if isinstance(data, bytes) and TOKEN.encode() in data]
    keys: Any = boss.redis.keys("*")
    assert keys
    for key in keys:
        assert TOKEN.encode() not in (boss.redis.dump(key) or b""), key
    for path in boss.home.rglob("*"):
        if path.is_file():
            assert TOKEN.encode() not in path.read_bytes(), path


async def test_an_answer_that_nobody_fetches_is_gone_soon(
    http: httpx.AsyncClient, boss: SupervisorProcess
) -> None:
    entry: dict[Any, Any] = {"action": "read-app-config", "process_name": "Yaml", "id": "r1"}
    boss.redis.xadd("dumb:commands", entry)
    await wait_until(lambda: boss.redis.exists("dumb:answer:r1") == 1, what="the answer")
    assert 0 < int(boss.redis.ttl("dumb:answer:r1")) <= 60
    await wait_until(lambda: boss.receipt("r1").get("status") == "succeeded", what="the receipt")
    assert TOKEN not in (await http.get("/process/commands/r1")).text
    boss.redis.delete("dumb:answer:r1")
    boss.redis.xadd("dumb:commands", {**entry, "action": "update-app-config", "id": "r1"})
    assert boss.result(boss.send("read-app-config", "Yaml", id="r2"))["status"] == "succeeded"
    assert boss.redis.exists("dumb:answer:r1") == 0  # the same id runs once


async def test_triggers_do_not_reach_files(boss: SupervisorProcess) -> None:
    for action in ("read-app-config", "update-app-config"):
        refused = boss.result(boss.send(action, "Yaml", stream="triggers"))
        assert refused["status"] == "rejected"


REFUSED: list[tuple[Any, int]] = [
    ({"service_name": "Nobody"}, 404),
    ({"service_name": "yaml"}, 404),
    ({"service_name": "Plain"}, 400),
    ({"service_name": "DUMB API"}, 400),
    ({"service_name": "Gone"}, 404),
    ({"service_name": "Text"}, 400),
    ({"service_name": "Big"}, 413),
    ({"service_name": "Out"}, 400),
    ({"service_name": "Up"}, 400),
    ({"service_name": "Yaml", "updates": "a: ["}, 400),
    ({"service_name": "Yaml", "updates": [1]}, 400),
    ({"service_name": "Code", "updates": {"A": 2}}, 400),
    ({"service_name": "Sonarr", "updates": "no xml"}, 400),
    ({"service_name": "Sonarr", "updates": {"a": "x" * (6 << 20)}}, 413),
    ({"service_name": "Sonarr", "updates": 7}, 422),
    ({"service_name": 7}, 422),
    ({}, 422),
]


async def test_what_is_refused_changes_nothing(http: httpx.AsyncClient, tmp_path: Path) -> None:
    files = sorted((tmp_path / "app").iterdir())
    content = [file.read_bytes() for file in files]
    for body, status in REFUSED:
        answer = await http.post(PATH, json=body)
        assert answer.status_code == status, (str(body)[:100], answer.text[:300])
        assert answer.json()["detail"]
    assert sorted((tmp_path / "app").iterdir()) == files
    assert [file.read_bytes() for file in files] == content


async def test_bodies_that_are_no_json(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    nested = b'{"service_name": "Yaml", "updates": ' + b'{"a":' * 100 + b"1" + b"}" * 101
    very_nested = b'{"service_name": "Yaml", "updates": ' + b"[" * 100_000
    surrogate = b'{"service_name": "Yaml", "updates": "\\ud800"}'
    for content, status in [
        (nested, 400), (very_nested, 422), (surrogate, 422), (b"{", 422),
        (b'{"service_name": "Yaml", "updates": NaN}', 422),
    ]:  # fmt: skip
        answer = await http.post(PATH, content=content, headers=headers)
        assert answer.status_code == status, answer.text[:300]


async def test_many_updates_at_once_are_all_there(http: httpx.AsyncClient, tmp_path: Path) -> None:
    file = tmp_path / "app/a.yml"
    bodies = [{"service_name": "Yaml", "updates": {f"k{n}": n}} for n in range(20)]
    answers = await asyncio.gather(*(http.post(PATH, json=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [200] * 20
    read = await http.post(PATH, json={"service_name": "Yaml"})
    assert read.json()["config"] == {"token": TOKEN, **{f"k{n}": n for n in range(20)}}
    assert file.read_text().startswith(f"# mine\ntoken: '{TOKEN}'  # keep\n")


async def test_without_a_supervisor_nothing_is_promised(
    http: httpx.AsyncClient, boss: SupervisorProcess
) -> None:
    assert boss.stop() == 0
    answer = await http.post(PATH, json={"service_name": "Yaml"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_an_update_that_a_killed_supervisor_left_is_made_by_the_next(
    boss: SupervisorProcess, tmp_path: Path
) -> None:
    boss.kill()
    args = orjson.dumps({"updates": {"token": "new-3c2f1e0d9b8a"}}).decode()
    command_id = boss.send("update-app-config", "Yaml", id="u1", args=args)
    boss.start()
    receipt = boss.result(command_id)
    assert (receipt["status"], receipt["detail"]) == ("succeeded", "changed")
    assert (tmp_path / "app/a.yml").read_text() == "# mine\ntoken: 'new-3c2f1e0d9b8a'  # keep\n"
