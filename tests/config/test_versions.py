"""Versions: kept, compared, restored."""

from tests.config.conftest import Desk


async def test_the_last_twenty_are_kept_and_one_is_restored(desk: Desk) -> None:
    first = desk.supervisor.version()
    for number in range(22):
        updates = {"env": {"DB_PASSWORD": f"pw{number}", "N": str(number)}}
        assert (await desk.update("Web", updates, persist=True)).status_code == 200
    found = (await desk.two.get("/config/versions")).json()
    versions = found["versions"]
    assert found["version"] == versions[0]["version"] == first + 22
    assert [v["version"] for v in versions] == list(range(first + 22, first + 2, -1))
    assert all(v["actor"] == "api@127.0.0.1" and v["persisted"] and v["at"] > 0 for v in versions)
    kept = sorted((desk.supervisor.home / "run" / "config.versions").iterdir())
    assert len(kept) == 20
    diff = (await desk.two.get(f"/config/versions/{first + 5}/diff")).json()["changes"]
    assert {"path": ["web", "env", "N"], "before": "3", "after": "4"} in diff
    assert {"path": ["web", "env", "DB_PASSWORD"], "before": "***", "after": "***"} in diff
    await desk.update(None, {"dumb": {"ui": {"kept": True}}})
    answer = await desk.one.post(f"/config/versions/{first + 5}/restore")
    assert answer.json()["version"] == first + 23
    assert desk.file()["web"]["env"] == {"DB_PASSWORD": "pw4", "N": "4"}
    assert desk.file()["dumb"]["ui"]["kept"] is True
    again = await desk.one.post(f"/config/versions/{first + 5}/restore")
    assert (again.json()["status"], again.json()["version"]) == ("nothing to restore", first + 23)


async def test_versions_that_are_not_kept(desk: Desk) -> None:
    for version in (0, 999, -1):
        assert (await desk.one.post(f"/config/versions/{version}/restore")).status_code == 404
        assert (await desk.one.get(f"/config/versions/{version}/diff")).status_code == 404


async def test_memory_is_gone_after_a_restart_and_its_number_is_not_used_again(desk: Desk) -> None:
    await desk.update("Web", {"port": 7000})
    version = desk.supervisor.version()
    desk.supervisor.kill()
    desk.supervisor.start()
    assert desk.supervisor.version() == version + 1
    assert "port" not in await desk.block()
    desk.supervisor.kill()
    desk.supervisor.start()
    assert desk.supervisor.version() == version + 1
