"""What the least trusted may leave behind for others to find: data for pages, and nothing more."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis import Redis

from shared.config.pages import MAX_BYTES
from tests.auth.conftest import Stack
from tests.support.wait import wait_until, wait_until_sync


def evil(marker: Path, name: str = "Evil") -> dict[str, Any]:
    """A block that would write `marker`, at the next start and every minute."""
    return {
        "process_name": name,
        "enabled": True,
        "schedule": {"cron": "* * * * *"},
        "command": ["/bin/sh", "-c", f"id > {marker}"],
        "config_dir": str(marker.parent),
        "password": "page data, not a secret",
        "restart": "auto",
    }


def names(redis: Redis) -> set[bytes]:
    """The services that the supervisor knows."""
    found: Any = redis.smembers("dumb:services")
    return set(found)


def ready(redis: Redis) -> bool:
    """Whether the boot is over: what was to be started has been."""
    startup: Any = redis.get("dumb:startup")
    return bool(startup) and orjson.loads(startup)["phase"] == "ready"


async def test_a_service_in_page_memory_is_never_run(stack: Stack, tmp_path: Path) -> None:
    supervisor = stack.supervisor
    marker = tmp_path / "ran"
    admin = (await stack.setup()).access
    login = (await stack.add(admin, "vera", "viewer")).access
    made = await stack.one.post("/auth/tokens", {"name": "prometheus", "role": "viewer"}, admin)
    before = names(supervisor.redis)
    everything = {"web": evil(marker, "Web"), "puid": 0, **evil(marker)}
    for token, ui in ((login, evil(marker)), (made.json()["token"], everything)):
        answer = await stack.one.post("/config", {"updates": {"dumb": {"ui": ui}}}, token)
        assert answer.status_code == 200, answer.text
        shown = (await stack.two.get("/config", token)).json()["dumb"]["ui"]
        assert {key: shown[key] for key in ui} == ui  # as it was posted: nothing is masked in it

    async def nothing_came_of_it() -> None:
        assert names(supervisor.redis) == before
        listed = (await stack.two.get("/process/processes", admin)).json()["processes"]
        assert "Evil" not in json.dumps(listed)
        graph = await stack.one.get("/process/dependency-graph?process_name=Web", admin)
        assert "Evil" not in graph.text
        assert (await stack.one.get("/config?process_name=Evil", admin)).status_code == 404
        body = {"process_name": "Evil"}
        assert (await stack.one.post("/process/start-service", body, admin)).status_code == 404
        assert supervisor.run("start", "Evil", stream="triggers")["status"] == "rejected"
        assert not marker.exists()

    # The next save takes the configuration over anew.
    saved = await stack.one.post("/config", {"updates": {"tz": "UTC"}}, admin)
    assert saved.status_code == 200, saved.text
    await nothing_came_of_it()
    supervisor.stop()
    supervisor.redis.delete("dumb:startup")
    supervisor.start()
    wait_until_sync(lambda: ready(supervisor.redis), timeout=20, what="the boot to be over")
    await nothing_came_of_it()
    # By hand it is as harmless as posted.
    tree = orjson.loads(supervisor.config.read_bytes())
    tree["dumb"]["ui"] = {"instances": {"By hand": evil(marker, "By hand")}}
    tree["tz"] = "Europe/Berlin"
    supervisor.config.write_bytes(orjson.dumps(tree))

    async def taken_over() -> bool:
        seen = (await stack.one.get("/config", admin)).json()
        return bool(seen["tz"] == "Europe/Berlin" and "instances" in seen["dumb"]["ui"])

    await wait_until(taken_over, what="the edit to be taken over")
    await nothing_came_of_it()


@pytest.mark.parametrize("way", ["api", "redis"])
async def test_page_memory_has_its_own_limits(stack: Stack, way: str) -> None:
    """The API and the supervisor hold it against the same ones."""
    supervisor = stack.supervisor
    admin = (await stack.setup()).access
    viewer = (await stack.add(admin, "vera", "viewer")).access

    async def post(ui: Any) -> tuple[int, str]:
        updates = {"dumb": {"ui": ui}}
        if way == "api":
            answer = await stack.one.post("/config", {"updates": updates}, viewer)
            return answer.status_code, answer.json().get("detail", "")
        args = json.dumps({"op": "global", "updates": updates})
        receipt = supervisor.run("update-config", "", args=args)
        code = json.loads(receipt["result"]).get("code")
        return {None: 200, "invalid": 400, "too_large": 413}[code], receipt["detail"]

    def nested(depth: int) -> Any:
        tree: Any = {}
        for _ in range(depth - 1):
            tree = {"a": tree}
        return tree

    room = MAX_BYTES - len('{"a":""}')
    assert (await post({"a": "x" * room}))[0] == 200
    before = supervisor.config.read_bytes()
    for ui, status, words in (
        ({"a": "x" * (room + 1)}, 413, "64 KiB"),
        ({"b": 1}, 413, "64 KiB"),
        ({"a": "", "b": nested(16)}, 413, "16 levels"),
        ({"a": "", "b": nested(60)}, 413, "16 levels"),
        # Nearly as much as one command may carry; of the API, more than a viewer may send.
        ({"b": ["x" * 1000] * 3500}, 413, "128 KiB" if way == "api" else "64 KiB"),
        (1, 400, "must be an object"),
        (["x"], 400, "must be an object"),
    ):
        found, detail = await post(ui)
        assert found == status, detail
        assert words in detail
        assert supervisor.config.read_bytes() == before
    assert (await post({"a": "", "b": nested(15)}))[0] == 200
    assert (await post(None))[0] == 200  # forgets everything
    assert "ui" not in orjson.loads(supervisor.config.read_bytes())["dumb"]
    assert "ui" not in (await stack.two.get("/config", viewer)).json()["dumb"]


async def test_page_memory_of_an_older_version_loads_and_may_shrink(stack: Stack) -> None:
    supervisor = stack.supervisor
    tree = orjson.loads(supervisor.config.read_bytes())
    old = {"large": "x" * 200_000, "deep": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}
    tree["dumb"]["ui"] = old
    supervisor.stop()
    supervisor.config.write_bytes(orjson.dumps(tree))
    supervisor.start()
    assert supervisor.redis.get("dumb:config:problem") is None
    assert (await stack.one.get("/config")).json()["dumb"]["ui"] == old

    async def post(ui: Any) -> int:
        return (await stack.one.post("/config", {"updates": {"dumb": {"ui": ui}}})).status_code

    assert await post({"more": 1}) == 413
    assert await post({"large": "x" * 199_000}) == 200
    assert await post({"large": "x" * 200_000}) == 413
    assert await post({"large": "", "deep": 0}) == 200
    assert (await stack.two.get("/config")).json()["dumb"]["ui"] == {"large": "", "deep": 0}
