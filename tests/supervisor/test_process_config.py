"""The configuration of a running supervisor: broken, edited, of the original's shape."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.supervisor.live import SLEEP, Boss, service, tree
from tests.support.program import PROJECT
from tests.support.redis_server import PrivateRedis
from tests.support.wait import wait_until_sync

Make = Callable[..., Boss]


@pytest.fixture
def make(private_redis: PrivateRedis, tmp_path: Path) -> Iterator[Make]:
    made: list[Boss] = []

    def make(*blocks: dict[str, Any]) -> Boss:
        private_redis.flush()
        made.append(Boss(tmp_path / "home", private_redis.url, tree(*blocks)))
        return made[-1]

    yield make
    for boss in made:
        boss.close()


def problem(boss: Boss) -> str:
    raw: Any = boss.redis.get("dumb:config:problem")
    return raw.decode() if raw else ""


def names(boss: Boss) -> set[str]:
    raw: Any = boss.redis.smembers("dumb:services")
    return {name.decode() for name in raw}


def version(boss: Boss) -> int:
    raw: Any = boss.redis.get("dumb:config:version")
    return int(raw or 0)


def test_a_file_broken_at_the_start_leaves_the_last_good_one(make: Make) -> None:
    boss = make(service("web"))
    boss.start()
    assert problem(boss) == ""
    assert boss.stop() == 0
    boss.config.write_text('{\n  "dumb": {},\n  oops\n}\n')
    boss.start()
    assert "dumb_config.json:3" in problem(boss)
    assert names(boss) == {"web", "DUMB API"}
    assert boss.run("start", "web")["status"] == "succeeded"
    refused = boss.run("reload-config", "")
    assert (refused["status"], refused["detail"]) == ("failed", problem(boss))
    boss.write_config(tree(service("web"), service("new")))
    wait_until_sync(lambda: problem(boss) == "" and "new" in names(boss), what="the repair")
    assert boss.service("web")["status"] == "running"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": }', "dumb_config.json:1"),
        ("[]", "one JSON object"),
        (
            '{\n"dumb": {"plex_address": 1}}',
            "dumb_config.json:2 at 'dumb.plex_address': must be text",
        ),
    ],
)
def test_a_first_file_that_is_broken_ends_with_a_sentence(
    make: Make, text: str, words: str
) -> None:
    boss = make()
    boss.config.write_text(text)
    boss.start(ready=False)
    assert boss.wait() == 78
    output = boss.output.read_text()
    assert words in output
    assert "Traceback" not in output


def test_an_edited_file_is_taken_over(make: Make) -> None:
    boss = make(service("stays"), service("goes"), service("leaves while it runs"))
    boss.start()
    before = version(boss)
    pids = []
    for name in ("stays", "leaves while it runs"):
        boss.run("start", name)
        pids.append(boss.service(name)["pid"])
    boss.write_config(tree(service("stays", ["sleep", "2000"]), service("comes")))
    wanted = {"stays", "comes", "leaves while it runs", "DUMB API"}
    wait_until_sync(lambda: names(boss) == wanted, what="the edited file")
    wait_until_sync(lambda: version(boss) == before + 1, what="its version")
    assert not boss.redis.exists("dumb:service:goes")
    assert [boss.service(name)["pid"] for name in ("stays", "leaves while it runs")] == pids
    assert boss.run("start", "comes")["status"] == "succeeded"
    assert boss.run("stop", "leaves while it runs")["status"] == "succeeded"
    boss.run("restart", "stays")
    command = Path(f"/proc/{boss.service('stays')['pid']}/cmdline").read_bytes()
    assert command.endswith(b"2000\0")


def test_a_wrong_edit_changes_nothing(make: Make) -> None:
    boss = make(service("web"))
    boss.start()
    before = version(boss)
    boss.write_config(tree(service("web", enabled="yes")))
    wait_until_sync(lambda: "key0.enabled" in problem(boss), what="the problem")
    assert (names(boss), version(boss)) == ({"web", "DUMB API"}, before)
    boss.write_config(tree(service("web")))
    wait_until_sync(lambda: problem(boss) == "", what="the repair")


def test_file_and_effective_values_are_kept_apart(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUMB_API_SERVICE_PORT", "8123")
    boss = make(service("web"))
    boss.start()
    raw: Any = boss.redis.get("dumb:config")
    config = orjson.loads(raw)
    assert config["file"]["dumb"]["api_service"]["port"] == 8000
    assert config["effective"]["dumb"]["api_service"]["port"] == 8123


def test_instances_are_services(make: Make) -> None:
    boss = make()
    instances = {
        "Default": service("Sonarr", SLEEP, port=None),
        "4K": service("Sonarr 4K"),
    }
    config = orjson.loads(boss.config.read_bytes())
    config["sonarr"] = {"instances": instances, "unknown": {"kept": [1]}}
    config["plex"] = service("Plex") | {"dbrepair": {"process_name": "DBRepair"}}
    boss.config.write_bytes(orjson.dumps(config))
    boss.start()
    assert names(boss) == {"Sonarr", "Sonarr 4K", "Plex", "DUMB API"}
    state = boss.service("Sonarr 4K")
    assert (state["config_key"], state["instance"], state["status"]) == ("sonarr", "4K", "stopped")
    assert boss.run("start", "sonarr4k")["process_name"] == "Sonarr 4K"
    raw: Any = boss.redis.get("dumb:config")
    assert orjson.loads(raw)["file"]["sonarr"]["unknown"] == {"kept": [1]}


def disabled(node: Any) -> Any:
    """The same tree with nothing to start."""
    if isinstance(node, dict):
        return {k: False if k == "enabled" else disabled(v) for k, v in node.items()}
    return [disabled(item) for item in node] if isinstance(node, list) else node


def test_the_sample_loads(make: Make) -> None:
    boss = make()
    sample = orjson.loads((PROJECT / "dumb_config.json").read_bytes())
    boss.config.write_bytes(orjson.dumps(disabled(sample)))
    boss.start()
    assert problem(boss) == ""
    assert len(names(boss)) > 10
    assert {"DUMB API", "Demo File Server"} <= names(boss)


def test_the_api_does_not_seem_restarted_when_the_configuration_changes(make: Make) -> None:
    boss = make(service("web"))
    boss.start()
    before = boss.service("DUMB API")
    boss.write_config(tree(service("web"), service("new")))
    wait_until_sync(lambda: "new" in names(boss))
    after = boss.service("DUMB API")
    assert (after["started_at"], after["restart"]) == (before["started_at"], before["restart"])


def test_options_that_do_nothing_are_named_in_the_log(make: Make) -> None:
    """Once at the start, and again only when a change of the file makes it another sentence."""
    boss = make()
    protection = {"media_protection": {"enabled": True}}
    boss.write_config(tree(service("web")), **protection)
    boss.start()
    words = "options that are on and not built here: dumb.media_protection.enabled"
    assert boss.output.read_text().count(words) == 1
    boss.write_config(tree(service("web"), service("new")), **protection)
    wait_until_sync(lambda: "new" in names(boss), what="the edited file")
    assert boss.output.read_text().count(words) == 1
    boss.write_config(tree(service("web")), start_up={}, **protection)
    typo = "keys that nothing uses: dumb.start_up"
    wait_until_sync(lambda: typo in boss.output.read_text(), what="a warning")
