"""`POST /config`: transactions, memory and file, versions, ETags, what needs a restart."""

import asyncio
import stat
from typing import Any

import orjson
import pytest

from tests.config.conftest import DUMB, UI, Desk
from tests.support.wait import wait_until


async def test_a_partial_update_in_memory_is_seen_by_every_replica_and_not_saved(
    desk: Desk,
) -> None:
    before = desk.file()
    answer = await desk.update("Web", {"log_level": "DEBUG"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "status": "service config updated",
        "process_name": "Web",
        "persisted": False,
        "restart_required": [],
    }
    assert (await desk.block())["log_level"] == "DEBUG"
    assert desk.file() == before
    sources = (await desk.get("Web", sources=True)).json()
    assert sources["memory"] == [["web", "log_level"]]
    assert ["web", "port_note"] in [w["path"] for w in sources["warnings"]]


async def test_a_persisted_update_keeps_order_and_secrets_to_the_owner(desk: Desk) -> None:
    keys = list(desk.file()["web"])
    version = desk.supervisor.version()
    answer = await desk.update("Web", {"env": {"PLAIN": "new"}, "port": 8123}, persist=True)
    assert answer.status_code == 200
    web = desk.file()["web"]
    assert list(web) == [*keys, "port"]
    assert web["env"] == {"PLAIN": "new"}
    assert web["api_key"] == "k-12345"  # not the environment's
    assert stat.S_IMODE(desk.supervisor.config.stat().st_mode) == 0o600
    assert answer.headers["x-config-version"] == str(version + 1) == str(desk.supervisor.version())


async def test_no_change_writes_nothing_and_raises_nothing(desk: Desk) -> None:
    stamp, version = desk.supervisor.config.stat(), desk.supervisor.version()
    block = await desk.block()
    assert (await desk.update("Web", block, persist=True)).status_code == 200
    assert (await desk.update(None, {"puid": 0, "dumb": {"ui": UI}})).status_code == 200
    whole = (await desk.get()).json()
    assert (await desk.update(None, whole)).status_code == 200
    after = desk.supervisor.config.stat()
    assert (after.st_mtime_ns, after.st_ino) == (stamp.st_mtime_ns, stamp.st_ino)
    assert desk.supervisor.version() == version


@pytest.mark.parametrize(
    ("name", "updates", "status", "words"),
    [
        ("Web", {"log_level": "DEBUG", "nonsense": 1}, 400, "Invalid configuration key: nonsense"),
        ("Web", {"enabled": "yes"}, 400, "web.enabled"),
        ("Web", {"log_level": "DEBUG", "port": 70000}, 400, "merged config"),
        ("Web", {"process_name": "Sonarr"}, 400, "also the name"),
        ("Web", {"process_name": " "}, 400, "must be a name"),
        ("web", {"enabled": True}, 404, "Service not found."),
        (None, {}, 400, "empty"),
        (None, {"zzz": 1, "nope": 2}, 400, "Invalid global configuration key: nope"),
        (None, {"dumb": {"plex_token": "x"}, "web": {"port": 0}}, 400, "global update"),
        (None, {"nzbdav": {}, "infinidysk": {}}, 409, "nzbdav"),
        (None, {"dumb": {"plex_token": "x***"}}, 400, "mask"),
        (None, {"web": {"process_name": None}}, 400, "must be a name"),
        (None, {"dumb": None}, 400, "dumb"),
        (None, {"dumb": {"ui": 1}}, 400, "dumb.ui"),
        (None, {"dumb": {"plex_token": 5}}, 400, "dumb.plex_token"),
        (None, {"tz": ["UTC"]}, 400, "tz"),
        (None, {"sonarr": None}, 400, "sonarr"),
        ("Sonarr", {"use_neutarr": "yes"}, 400, "sonarr.instances.De.fault.use_neutarr"),
        ("Web", {"auto_update_mode": "never"}, 400, "one of"),
        ("Web", {"depends_on": {"Nobody": "ready"}}, 400, "'web.depends_on.Nobody'"),
        ("Web", {"depends_on": {"Web": "ready"}}, 400, "itself"),
        ("Web", {"depends_on": {"Sonarr": "soon"}}, 400, "must be one of started, ready"),
        ("Web", {"depends_on": ["Sonarr"]}, 400, "web.depends_on"),
    ],
)
async def test_what_cannot_be_used_changes_nothing(
    desk: Desk, name: str | None, updates: Any, status: int, words: str
) -> None:
    file, version, shown = desk.file(), desk.supervisor.version(), (await desk.get()).json()
    answer = await desk.update(name, updates, persist=True)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert desk.file() == file
    assert desk.supervisor.version() == version
    assert (await desk.get()).json() == shown


async def test_a_dotted_instance_is_updated_and_renamed(desk: Desk) -> None:
    renamed = {"process_name": "Sonarr 4K", "port": 8990}
    answer = await desk.update("Sonarr", renamed, persist=True)
    assert answer.status_code == 200, answer.text
    assert answer.json()["process_name"] == "Sonarr 4K"
    assert desk.file()["sonarr"]["instances"]["De.fault"]["process_name"] == "Sonarr 4K"
    assert (await desk.get("Sonarr")).status_code == 404
    query = {"process_name": "Sonarr 4K"}
    assert (await desk.two.get("/process/service-status", params=query)).status_code == 200
    started = await desk.one.post("/process/start-service", json={"process_name": "Sonarr"})
    assert started.status_code == 404


async def test_optimistic_locking(desk: Desk) -> None:
    tag = (await desk.get("Web")).headers["etag"]
    hidden = (await desk.get("Web", masked=True)).headers["etag"]
    assert tag != hidden
    for stale in ('"nope"', f"W/{tag}", '"1", W/"2"'):
        refused = await desk.update("Web", {"port": 1}, headers={"If-Match": stale})
        assert refused.status_code == 412
    first = await desk.update("Web", {"port": 1000}, headers={"If-Match": hidden})
    assert first.status_code == 200
    assert (await desk.get("Web")).headers["etag"] == first.headers["etag"]
    second = await desk.update("Web", {"port": 1001}, headers={"If-Match": tag})
    assert second.status_code == 412
    assert (await desk.block())["port"] == 1000
    whole = (await desk.get()).headers["etag"]
    assert (await desk.update(None, {"tz": "A"}, headers={"If-Match": whole})).status_code == 200
    assert (await desk.update(None, {"tz": "B"}, headers={"If-Match": whole})).status_code == 412


async def test_of_many_at_once_with_one_etag_one_wins(desk: Desk) -> None:
    tag = (await desk.get("Web")).headers["etag"]
    answers = await asyncio.gather(
        *(
            desk.update("Web", {"port": 2000 + n}, persist=True, headers={"If-Match": tag})
            for n in range(8)
        )
    )
    assert sorted(a.status_code for a in answers) == [200] + [412] * 7


async def test_a_key_stands_for_one_change(desk: Desk) -> None:
    key = {"Idempotency-Key": "once"}
    first = await desk.update("Web", {"port": 3000}, headers=key)
    await desk.update("Web", {"port": 3001})
    again = await desk.two.post(
        "/config",
        json={"process_name": "Web", "updates": {"port": 3000}, "persist": False},
        headers=key,
    )
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["etag"] == first.headers["etag"]
    assert (await desk.block())["port"] == 3001
    other = await desk.update("Web", {"port": 3002}, headers=key)
    assert other.status_code == 409
    assert "another key" in other.json()["detail"]
    assert (await desk.block())["port"] == 3001


async def test_ui_is_saved_outside_of_version_and_etag(desk: Desk) -> None:
    version, tag = desk.supervisor.version(), (await desk.get()).headers["etag"]
    ui = {"sidebar": {"compact_mode": True}}
    answer = await desk.update(None, {"dumb": {"ui": ui}})
    assert answer.json()["keys"] == ["dumb"]
    assert (await desk.get()).json()["dumb"]["ui"]["sidebar"]["compact_mode"] is True
    assert desk.file()["dumb"]["ui"] == ui
    assert desk.supervisor.version() == version
    assert (await desk.get()).headers["etag"] == tag


async def test_blank_notification_secrets_keep_what_is_stored(desk: Desk) -> None:
    notifications = (await desk.get()).json()["dumb"]["notifications"]
    assert notifications["destinations"][0]["url"] == ""
    notifications["enabled"] = True
    assert (await desk.update(None, {"dumb": {"notifications": notifications}})).status_code == 200
    stored = desk.file()["dumb"]["notifications"]
    assert stored["enabled"] is True
    assert stored["destinations"] == DUMB["notifications"]["destinations"]


async def test_the_environment_is_effective_shown_and_never_written(desk: Desk) -> None:
    block = await desk.block()
    assert block["api_key"] == "env-key"
    assert (await desk.get()).json()["seerr_sync"]["enabled"] is True
    shown = (await desk.get(sources=True)).json()["overridden"]
    assert {entry["name"] for entry in shown} == {"SEERR_SYNC_ENABLED", "WEB_API_KEY"}
    assert all(entry["source"].endswith("/.env") for entry in shown)
    block["port"] = 4000
    assert (await desk.update("Web", block, persist=True)).status_code == 200
    assert desk.file()["web"]["api_key"] == "k-12345"
    answer = await desk.update("Web", {"api_key": "third"}, persist=True)
    assert answer.json()["overridden"] == ["WEB_API_KEY"]
    assert desk.file()["web"]["api_key"] == "third"
    assert (await desk.block())["api_key"] == "env-key"
    assert "env-key" not in desk.supervisor.config.read_text()


async def test_what_needs_a_restart_is_named_and_restarted(desk: Desk) -> None:
    started = await desk.one.post("/process/start-service", json={"process_name": "Web"})
    assert started.status_code == 200, started.text
    pid = desk.supervisor.service("Web")["pid"]
    quiet = await desk.update("Web", {"stop_wait": 4, "auto_update": True})
    assert quiet.json()["restart_required"] == []
    renamed = await desk.update("Web", {"process_name": "Other"}, persist=True)
    assert renamed.status_code == 409
    named = await desk.update("Web", {"env": {"X": "1"}})
    assert named.json()["restart_required"] == ["Web"]
    assert desk.supervisor.service("Web")["pid"] == pid
    applied = await desk.update("Web", {"env": {"X": "2"}}, params={"apply": "restart"})
    assert [r["status"] for r in applied.json()["restarted"]] == ["restarted"]
    assert desk.supervisor.service("Web")["pid"] != pid


async def test_a_hand_edit_is_a_version_and_drops_what_was_in_memory(desk: Desk) -> None:
    await desk.update("Web", {"port": 5000})
    tree = desk.file()
    tree["web"]["log_level"] = "ERROR"
    desk.supervisor.config.write_bytes(orjson.dumps(tree))

    async def taken() -> bool:
        return bool((await desk.block()).get("log_level") == "ERROR")

    await wait_until(taken, what="the edit is taken over")
    assert "port" not in await desk.block()
    newest = (await desk.two.get("/config/versions")).json()["versions"][0]
    assert (newest["actor"], newest["paths"]) == ("file", ["web.port", "web.log_level"])


async def test_nothing_is_saved_over_a_file_that_somebody_broke(desk: Desk) -> None:
    desk.supervisor.config.write_text("{ oops")
    answer = await desk.update("Web", {"port": 5001}, persist=True)
    assert answer.status_code == 409
    assert "repair" in answer.json()["detail"]
    assert desk.supervisor.config.read_text() == "{ oops"
    page_load = await desk.update(None, {"dumb": {"ui": {"a": 1}}})
    assert page_load.status_code == 200
    assert (await desk.get()).json()["dumb"]["ui"]["a"] == 1


async def test_a_start_behind_a_change_sees_it(desk: Desk) -> None:
    boss = desk.supervisor
    block = {"process_name": "New", "command": ["sleep", "1000"], "start_window": 0}
    args = orjson.dumps(
        {"op": "global", "updates": {"dumb": {}, "sonarr": {"instances": {"N": block}}}}
    )
    boss.send("update-config", "", args=args.decode())
    assert boss.run("start", "New")["status"] == "succeeded"


async def test_nonsense_over_redis_is_rejected(desk: Desk) -> None:
    boss = desk.supervisor
    for args in ("{}", '{"op":"global"}', '{"op":"service","updates":{}}', '{"op":"restore"}',
                 '{"op":"global","updates":{"tz":"a"},"if_match":5}',
                 '{"op":"global","updates":{"puid":18446744073709551615}}',
                 '{"op":"global","updates":{"sonarr":{"x":18446744073709551615}}}'):  # fmt: skip
        assert boss.run("update-config", "", args=args)["status"] in {"rejected", "failed"}, args
    assert desk.supervisor.file()["puid"] == 0
