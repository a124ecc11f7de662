"""docs/security.md, row by row: each part is written as each role, and what it becomes is seen."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest_asyncio

from tests.auth.conftest import PASSWORD, Stack
from tests.support.wait import wait_until

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
ROLES = ("viewer", "operator", "admin", "publisher")
SERVICES: dict[str, Any] = {
    "web": {
        "process_name": "Web",
        "command": ["sleep", "1000"],
        "config_dir": "work",
        "config_file": "work/app.json",
        "unknown": 1,
        "env": {},
    },
    "sonarr": {"instances": {"Default": {"process_name": "Sonarr", "command": ["sleep", "1000"]}}},
    "extra": {"anything": 1},
}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    part: str
    may: dict[str, bool]
    service: bool


def rows() -> list[Row]:
    found = []
    for line in GUIDE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 7 and set(cells[1:6]) <= {"yes", "no"}:
            marks = [cell == "yes" for cell in cells[1:6]]
            found.append(Row(cells[0], dict(zip(ROLES, marks[:4], strict=True)), marks[4]))
    return found


class Writers:
    """Writes a part as one role; True when it was accepted."""

    def __init__(self, stack: Stack, tokens: dict[str, str]) -> None:
        self.stack = stack
        self.tokens = tokens
        self._number = 0

    def evil(self) -> dict[str, Any]:
        """A block that would be a service if anybody took it for one; each has another name."""
        self._number += 1
        return {
            "process_name": f"Evil {self._number}",
            "command": ["sleep", "1"],
            "schedule": {"cron": "0 0 1 1 *"},
        }

    async def post(self, role: str, path: str, body: Any) -> bool:
        """Over REST; a publisher has only Redis, and sends the same as a command."""
        if role == "publisher":
            return self.trigger(action="update-config", args=json.dumps({"op": "global", **body}))
        answer = await self.stack.one.post(path, body, self.tokens[role])
        assert answer.status_code in {200, 400, 403, 404, 409}, answer.text
        assert (answer.status_code == 403) <= (role != "admin"), answer.text
        return answer.status_code == 200

    def trigger(self, action: str, **fields: str) -> bool:
        name = fields.pop("process_name", "")
        receipt = self.stack.supervisor.run(action, name, stream="triggers", **fields)
        return receipt["status"] == "succeeded"

    async def document(self, role: str, updates: Any) -> bool:
        return await self.post(role, "/config", {"updates": updates})

    async def block(self, role: str, updates: Any) -> bool:
        body = {"process_name": "Web", "updates": updates, "persist": True}
        return await self.post(role, "/config", body)

    # -- the parts -------------------------------------------------------------------------

    async def ui(self, role: str) -> bool:
        return await self.document(role, {"dumb": {"ui": {"web": self.evil(), **self.evil()}}})

    async def catalogue(self, role: str) -> bool:
        return await self.document(role, {"plex": self.evil()})

    async def instance(self, role: str) -> bool:
        name = "../../a.b \u00fc{port}"
        return await self.document(role, {"sonarr": {"instances": {name: self.evil()}}})

    async def field(self, role: str) -> bool:
        return await self.block(
            role, {"health": None, "wait_for_url": [], "command": ["sleep", "9"]}
        )

    async def env(self, role: str) -> bool:
        texts = {key: json.dumps(value) for key, value in self.evil().items()}
        return await self.block(role, {"env": texts})

    async def unknown(self, role: str) -> bool:
        return await self.block(role, {"unknown": {"deeper": self.evil(), **self.evil()}})

    async def unknown_absent(self, role: str) -> bool:
        return await self.block(role, {"absent": self.evil()})

    async def root(self, role: str) -> bool:
        return await self.document(role, {"extra": {"deeper": self.evil()}})

    async def root_absent(self, role: str) -> bool:
        return await self.document(role, {"absent": self.evil()})

    async def listed(self, role: str) -> bool:
        return await self.document(role, {"dumb": {"auto_restart": {"services": [self.evil()]}}})

    async def dumb(self, role: str) -> bool:
        return await self.document(role, {"dumb": {"unknown": self.evil()}})

    async def paths(self, role: str) -> bool:
        return await self.block(role, {"log_file": "log/{process_name}.log", "config_dir": "work"})

    async def core(self, role: str) -> bool:
        if role == "publisher":
            return self.trigger(
                "start-core", args=json.dumps({"core_services": {"name": "sonarr"}})
            )
        options = {"sonarr": {"command": ["sleep", "1000"], "env": {"x": json.dumps(self.evil())}}}
        body = {"core_services": [{"name": "sonarr", "service_options": options}]}
        return await self.post(role, "/process/start-core-service", body)

    async def application(self, role: str) -> bool:
        if role == "publisher":
            args = json.dumps({"updates": {"a": 1}})
            return self.trigger("update-app-config", process_name="Web", args=args)
        body = {"service_name": "Web", "updates": {"web": self.evil(), **self.evil()}}
        return await self.post(role, "/config/service-config", body)

    async def restored(self, role: str) -> bool:
        if role == "publisher":
            return self.trigger("update-config", args='{"op": "restore", "version": 1}')
        known = (await self.stack.one.get("/config/versions", self.tokens["admin"])).json()
        before = known["versions"][1]["version"]
        return await self.post(role, f"/config/versions/{before}/restore", None)

    async def account(self, role: str) -> bool:
        if role == "publisher":
            return self.trigger("update-accounts", args='{"op": "skip-setup"}')
        body = {"username": f"evil-{role}", "password": PASSWORD, "role": "viewer"}
        return await self.post(role, "/auth/users", body)

    async def token_name(self, role: str) -> bool:
        if role == "publisher":
            return self.trigger("update-accounts", args='{"op": "create-token"}')
        body = {"name": json.dumps(self.evil())[:60], "role": "viewer"}
        return await self.post(role, "/auth/tokens", body)

    async def named(self, role: str) -> bool:
        if role == "publisher":
            return self.trigger("stop", process_name="w E b")
        return await self.post(role, "/process/stop-service", {"process_name": "Web"})

    async def ignored(self, role: str) -> bool:
        """Only a publisher reaches that stream; what else the entry says changes nothing."""
        if role != "publisher":
            return False
        args = {"op": "global", "updates": {"extra": {"x": self.evil()}}, "command": ["false"]}
        fields = {"args": json.dumps(args), "actor": "root", "source": "schedule", "command": "x"}
        receipt = self.stack.supervisor.run("stop", "Web", stream="triggers", **fields)
        assert (receipt["actor"], receipt["source"]) == ("", "trigger")
        return receipt["status"] == "succeeded"


WRITERS: dict[str, Callable[[Writers, str], Awaitable[bool]]] = {
    "`dumb.ui`": Writers.ui,
    "a key of the catalogue (`plex`, …)": Writers.catalogue,
    "`instances`, and their names": Writers.instance,
    "a field of a service": Writers.field,
    "`env` of a service": Writers.env,
    "an unknown key of a service, which the file has": Writers.unknown,
    "an unknown key of a service, which the file lacks": Writers.unknown_absent,
    "an unknown top-level key, which the file has": Writers.root,
    "an unknown top-level key, which the file lacks": Writers.root_absent,
    "a list, such as `dumb.auto_restart.services`": Writers.listed,
    "an unknown key of `dumb`": Writers.dumb,
    "`log_file`, `config_file`, `config_dir`": Writers.paths,
    "options of `start-core-service`": Writers.core,
    "an application's file": Writers.application,
    "a version that is restored": Writers.restored,
    "accounts": Writers.account,
    "the name of one's own API token": Writers.token_name,
    "the name of a service in a command": Writers.named,
    "other fields of an entry in `dumb:triggers`": Writers.ignored,
}


def test_each_row_has_a_writer() -> None:
    assert [row.part for row in rows()] == list(WRITERS)


@pytest_asyncio.fixture
async def writers(stack: Stack) -> Writers:
    supervisor = stack.supervisor
    supervisor.stop()
    supervisor.write_config(SERVICES, ui={})
    (supervisor.home / "work").mkdir()
    (supervisor.home / "work" / "app.json").write_text("{}")
    supervisor.start()
    admin = (await stack.setup()).access
    operator = (await stack.add(admin, "otto", "operator")).access
    viewer = (await stack.add(admin, "vera", "viewer")).access
    return Writers(stack, {"admin": admin, "operator": operator, "viewer": viewer})


async def test_the_table_is_true(writers: Writers) -> None:
    """One stack for all rows; each is seen once it had a save behind it."""
    stack = writers.stack
    wrong: list[tuple[str, Any]] = []
    for row in rows():
        before = _services(stack)
        may = {role: await WRITERS[row.part](writers, role) for role in ROLES}
        if may != row.may:
            wrong.append((row.part, may))
        # The next save takes everything over; whatever was a service by then is one.
        assert await writers.document("admin", {"tz": f"Etc/GMT+{len(wrong) % 9}"})
        more = {name for name in _services(stack) - before if name.startswith("Evil")}
        if bool(more) != row.service:
            wrong.append((row.part, more))
    assert wrong == []
    # And what the application wrote by itself, and a hand left in page memory, after a restart.
    supervisor = stack.supervisor
    before = _services(stack)
    (supervisor.home / "work" / "app.json").write_text(json.dumps({"web": writers.evil()}))
    supervisor.stop()
    tree = orjson.loads(supervisor.config.read_bytes())
    tree["dumb"]["ui"] = {"instances": {"x": writers.evil()}, **writers.evil()}
    supervisor.config.write_bytes(orjson.dumps(tree))
    supervisor.start()
    await wait_until(lambda: "Web" in _services(stack), what="the services to be published")
    assert _services(stack) == before


def _services(stack: Stack) -> set[str]:
    raw: Any = stack.supervisor.redis.smembers("dumb:services")
    return {name.decode() for name in raw}


def test_the_words_of_the_guide_hold() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert re.search(r"64 KiB in all \(as JSON\) and 16\s+levels", text)
