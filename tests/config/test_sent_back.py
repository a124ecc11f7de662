"""What the frontend is given and posts back unchanged changes nothing, whichever route it takes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from shared.config.schema import service_rules
from shared.config.trees import value_at
from tests.config.conftest import DUMB, ConfigSupervisor, Desk, replica
from tests.config.forms import filled
from tests.support.wait import wait_until

FILES = {
    "settings.json": b'{\n  "ref": true,\n  "nested": {"a": 1, "list": [1]}\n}\n',
    "a.yml": b"# mine\nport: 1  # keep\nlist: [1, 2]\n",
    "b.ini": b"; mine\n[General]\nKey = value\n",
    "c.xml": b'<?xml version="1.0"?>\n<Config>\n  <Port>8989</Port>\n</Config>\n',
    "rclone.conf": b"[remote]\ntype = local\n",
}


def _service(name: str, **more: Any) -> dict[str, Any]:
    command = ["sleep", "1000"]
    return {"process_name": name, "command": command, "start_window": 0, "stop_wait": 5, **more}


@pytest_asyncio.fixture
async def desk(redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Services that run, applications with files, a log that a service writes itself."""
    app = tmp_path / "app"
    app.mkdir()
    blocks: dict[str, Any] = {"web": _service("Web", enabled=True, env={"TOKEN": "t0ken-9f8e"})}
    blocks["traefik"] = _service("Traefik", enabled=True)
    blocks["writer"] = _service("Writer", log_file=str(app / "writer.log"))
    blocks["zurg"] = {"instances": {"RD": _service("Zurg w/ RealDebrid")}}
    for name, data in FILES.items():
        (app / name).write_bytes(data)
        blocks[f"app_{name}"] = _service(name, config_file=str(app / name))
    supervisor = ConfigSupervisor(tmp_path / "home", redis_url, {})
    supervisor.write_config(blocks, **DUMB)
    try:
        supervisor.start()
        for name in ("Web", "Traefik"):
            supervisor.wait_status(name, "running")
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(replica(redis_url))
            two = await stack.enter_async_context(replica(redis_url))
            yield Desk(supervisor, one, two)
    finally:
        supervisor.close()


def _stand(desk: Desk) -> Any:
    """Everything that a change would change."""
    supervisor = desk.supervisor
    pids = {name: supervisor.service(name)["pid"] for name in ("Web", "Traefik")}
    app = supervisor.home.parent / "app"
    files = {name: (app / name).read_bytes() for name in FILES}
    return (
        supervisor.config.read_bytes(),
        supervisor.version(),
        pids,
        files,
        list(app.glob("*.bak")),
    )


async def _json(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_block_and_the_document(desk: Desk) -> None:
    before = _stand(desk)
    processes = (await _json(await desk.two.get("/process/processes")))["processes"]
    assert len(processes) == 10
    for entry in processes:
        name = entry["process_name"]
        schema = {"process_name": name}
        shown = await _json(await desk.two.post("/config/process-config/schema", json=schema))
        block = await _json(await desk.get(name))
        details = await _json(await desk.two.get("/process/", params=schema))
        for posted in (
            block,
            entry["config"],
            details["config"],
            filled(block, shown),
            filled(block, service_rules(entry["config_key"])),
        ):
            for persist in (True, False):
                answer = await _json(await desk.update(name, posted, persist=persist))
                assert answer["restart_required"] == []
    for query in ({}, {"masked": True}):
        whole = await _json(await desk.two.get("/config", params=query))
        assert (await _json(await desk.update(None, whole)))["restart_required"] == []
    graph = await _json(
        await desk.two.get("/process/dependency-graph", params={"process_name": "Web"})
    )
    for entry in graph["processes"]:
        await _json(await desk.update(entry["process_name"], entry["config"], persist=True))
    assert _stand(desk) == before


async def test_applications_pages_switches(desk: Desk) -> None:
    before = _stand(desk)
    for name in FILES:
        read = await _json(
            await desk.one.post("/config/service-config", json={"service_name": name})
        )
        for updates in (read["config"], read["raw"]):
            body = {"service_name": name, "updates": updates}
            answer = await _json(await desk.one.post("/config/service-config", json=body))
            assert answer["changed"] is False, (name, updates)
    ui = await _json(await desk.two.get("/config/service-ui"))
    again = await _json(await desk.one.post("/config/service-ui", json={"enabled": ui["enabled"]}))
    assert again == ui
    level = await _json(await desk.two.get("/process/runtime-log-level"))
    body = {"debug_enabled": level["debug_enabled"]}
    assert await _json(await desk.one.post("/process/runtime-log-level", json=body)) == level
    pages = (await _json(await desk.get()))["dumb"]["ui"]
    await _json(await desk.update(None, {"dumb": {"ui": pages}}))
    assert _stand(desk) == before


async def test_a_change_of_the_switch_is_still_carried_out(desk: Desk) -> None:
    pid = desk.supervisor.service("Traefik")["pid"]
    off = await _json(await desk.one.post("/config/service-ui", json={"enabled": False}))
    assert off["enabled"] is False
    assert desk.supervisor.service("Traefik")["status"] == "stopped"
    on = await _json(await desk.one.post("/config/service-ui", json={"enabled": True}))
    assert on["enabled"] is True
    assert desk.supervisor.service("Traefik")["status"] == "running"
    assert desk.supervisor.service("Traefik")["pid"] != pid
    # What was to be on and is not is started, although nothing is changed.
    assert desk.supervisor.run("stop", "Traefik")["status"] == "succeeded"
    await _json(await desk.one.post("/config/service-ui", json={"enabled": True}))
    assert desk.supervisor.service("Traefik")["status"] == "running"


# -- the log that we capture ---------------------------------------------------------------


def _log(desk: Desk, name: str) -> str:
    return str(desk.supervisor.home / "log" / name)


async def test_the_captured_log_is_named_and_marked(desk: Desk) -> None:
    block = await desk.block("Web")
    assert block["log_file"] == _log(desk, "Web.log")
    zurg = await desk.block("Zurg w/ RealDebrid")
    assert zurg["log_file"] == _log(desk, "Zurg w%2F RealDebrid.log")
    writer = (await desk.get("Writer", sources=True)).json()
    assert (writer["config"]["log_file"], writer["captured"]) == (
        str(desk.supervisor.home.parent / "app" / "writer.log"),
        [],
    )
    sources = (await desk.get("Web", sources=True)).json()
    assert (sources["captured"], sources["memory"]) == ([["web", "log_file"]], [])
    whole = (await desk.get(sources=True)).json()
    assert ["zurg", "instances", "RD", "log_file"] in whole["captured"]
    for path in whole["captured"]:
        assert value_at(whole["config"], tuple(path)).startswith(_log(desk, ""))
    entries = (await _json(await desk.two.get("/process/processes")))["processes"]
    marked = {entry["process_name"]: entry["log_captured"] for entry in entries}
    assert (marked["Web"], marked["Writer"], marked["DUMB API"]) == (True, False, True)
    assert "log_file" not in desk.file()["web"]
    assert Path(block["log_file"]).exists()


@pytest.mark.parametrize("persist", [True, False])
async def test_a_file_of_ones_own_and_back(desk: Desk, persist: bool) -> None:
    block = await desk.block("Web")
    own = str(desk.supervisor.home.parent / "app" / "own.log")
    answer = await _json(await desk.update("Web", {**block, "log_file": own}, persist=persist))
    assert answer["restart_required"] == ["Web"]
    assert (await desk.block("Web"))["log_file"] == own
    assert (await desk.get("Web", sources=True)).json()["captured"] == []
    # The block as it was shown before: none of its own.
    await _json(await desk.update("Web", block, persist=persist))
    assert (await desk.block("Web"))["log_file"] == block["log_file"]
    assert not desk.file()["web"].get("log_file")
    renamed = {**block, "log_file": own, "command": ["sleep", "1001"]}
    await _json(await desk.update(None, {"web": renamed}))
    await _json(await desk.update(None, {"web": block}))
    assert not desk.file()["web"].get("log_file")


async def test_an_etag_fits_the_block_that_was_shown(desk: Desk) -> None:
    shown = await desk.get("Web")
    tag = {"If-Match": shown.headers["etag"]}
    answer = await desk.update("Web", {**shown.json(), "suppress_logging": True}, headers=tag)
    assert answer.status_code == 200, answer.text


async def test_a_renamed_service_has_the_log_of_its_name(desk: Desk) -> None:
    block = await desk.block("Zurg w/ RealDebrid")
    posted = {**block, "process_name": "Zurg"}
    await _json(await desk.update("Zurg w/ RealDebrid", posted, persist=True))
    assert (await desk.block("Zurg"))["log_file"] == _log(desk, "Zurg.log")
    assert "log_file" not in desk.file()["zurg"]["instances"]["RD"]


async def test_the_shown_document_as_the_file_follows_nothing_of_ours(desk: Desk) -> None:
    """Somebody saves what `GET /config` shows as the file: our own log must not feed itself."""
    supervisor = desk.supervisor
    command = ["sh", "-c", "echo once; exec sleep 1000"]
    await _json(await desk.update("Writer", {"command": command, "log_file": ""}, persist=True))
    whole = (await desk.get()).json()
    assert whole["writer"]["log_file"] == _log(desk, "Writer.log")
    version = supervisor.version()
    temporary = supervisor.config.with_suffix(".tmp")
    temporary.write_bytes(orjson.dumps(whole))
    temporary.rename(supervisor.config)
    await wait_until(lambda: supervisor.version() > version, what="the file is taken over")
    assert supervisor.run("start", "Writer")["status"] == "succeeded"
    await wait_until(lambda: b"once" in supervisor.log("Writer"), what="its line")
    assert supervisor.run("stop", "Writer")["status"] == "succeeded"
    assert supervisor.log("Writer").count(b"once") == 1
    assert supervisor.log("Writer:output") == b""
    assert supervisor.service("Writer")["log_problem"] == ""
