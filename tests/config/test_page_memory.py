"""Whatever pages remember, every program sees the same of everything else."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from services.api.config_sources import sources_of
from services.api.configuration import ConfigReader
from services.cli.config.document import Document
from services.cli.config.document import plan as plan_change
from services.cli.doctor.machine import check_config_file
from services.jobs.config import read_config
from services.metrics.news import News
from services.supervisor.config_news import whole_news
from services.supervisor.configuration import Configuration
from services.supervisor.core.ports import reserved
from services.supervisor.spawn import LaunchError, Surroundings, build_spec
from shared.bus.keys import Keys
from shared.config.dependencies import dependencies
from shared.config.pages import config_of
from shared.config.schema import unknown_keys
from shared.config.services import walk_services
from shared.errors import ConfigError
from shared.settings import load_settings

KEYS = Keys()
PROJECT = Path(__file__).resolve().parents[2]
ENVIRON = {
    "PATH": "/usr/bin:/bin",
    "DUMB_UI": '{"process_name": "Env"}',
    "DUMB_UI_PORT": "99",
    "DUMB_UI_PASSWORD": "from the environment",
    "DUMB_UI_PASSWORD_FILE": "/etc/hostname",
    "DUMB_UI_ENABLED": "true",
    "WEB_PORT": "4711",
}
SERVICES: dict[str, Any] = {
    "puid": 0,
    "tz": "UTC",
    "web": {
        "process_name": "Web",
        "enabled": True,
        "command": ["true", "{tz}", "{port}", "{a}"],
        "port": 80,
        "depends_on": {"Data": "ready"},
        "env": {"A_PASSWORD": "x"},
    },
    "data": {"process_name": "Data", "command": "true", "schedule": {"cron": "1 2 * * *"}},
    "sonarr": {"instances": {"Default": {"process_name": "Sonarr", "port": 8989}}},
}
BASES: list[dict[str, Any]] = [
    {"dumb": {"log_level": "INFO"}, **SERVICES},
    {**SERVICES, "dumb": {"log_size": "1M", "auto_restart": {"enabled": True}}, "extra": {"a": 1}},
    {"dumb": {"process_name": "Odd", "command": "true"}, **SERVICES},
    {"dumb": {"log_size": "huge"}, "web": {"process_name": "Web", "port": 0}},
    {"dumb": {}, "a": {"process_name": "A", "depends_on": {"B": "ready"}},
     "b": {"process_name": "B", "depends_on": {"A": "ready"}}},
    {"web": {"process_name": "Web", "command": "true"}},
]  # fmt: skip

WORDS = [
    "Web",
    "Data",
    "Evil",
    "* * * * *",
    "/bin/sh",
    "***",
    "{port}",
    "ready",
    "",
    "x@y:z",
    "\x00",
]
NAMES = [
    "process_name", "enabled", "command", "schedule", "cron", "depends_on", "port", "password",
    "api_key", "env", "instances", "Default", "$ref", "puid", "health", "services", "ui", "dumb",
    "config_file", "log_file", "wait_for_url", "restart", "sonarr", "web", "a.b", "", "é/%",
]  # fmt: skip


def _deep(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = {"instances": value}
    return value


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner)
    ),
    max_leaves=20,
)
EVIL = st.fixed_dictionaries(
    {"process_name": st.sampled_from(["Evil", "Web", ""]), "enabled": st.just(True)},
    optional={
        "command": st.just(["/bin/sh", "-c", "id"]),
        "schedule": st.just({"cron": "* * * * *"}),
        "port": st.integers(-1, 70000),
        "depends_on": st.just({"Web": "ready", "Nobody": "soon"}),
        "password": st.just("hunter22"),
        "env": TREES,
        "health": TREES,
    },
)
BLOCKS = st.dictionaries(st.sampled_from(NAMES), EVIL | TREES, max_size=4)
PAGES = EVIL | BLOCKS | TREES | st.builds(_deep, EVIL, st.integers(0, 250))


def supervisor_view(path: Path, home: Path) -> tuple[Any, Configuration | None]:
    """What the supervisor makes of the file, and the configuration if there is one."""
    config = Configuration(path, home / "run", ENVIRON, home)
    for old in (home / "run" / "config.versions").glob("*"):
        old.unlink()
    try:
        config.load()
    except ConfigError as error:
        return str(error), None
    state = config.state
    around = Surroundings(home, PROJECT, "python3", ENVIRON, config.effective)
    view = {
        "services": state.services,
        "schedules": [service.block.get("schedule") for service in state.services],
        "graph": (state.dependencies.needs, state.dependencies.problems),
        "order": state.dependencies.order(),
        "ports": reserved(state.services),
        "overridden": state.overridden,
        "variables": config.variables,
        "problem": config.problem,
        "digests": (state.digest, state.file_digest),
        "live": state.live,
        "versions": [replace(r, at=0.0) for r in config.history.records],
        "started": [_started(service, around) for service in state.services],
    }
    return view, config


def _started(service: Any, around: Surroundings) -> Any:
    try:
        spec = build_spec(service, around)
    except LaunchError as error:
        return str(error)
    return spec.argv, spec.env


def readers_view(redis: Redis, url: str) -> Any:
    """What those see who read the published configuration."""
    jobs = read_config(redis, KEYS)

    async def look() -> Any:
        async with AsyncRedis.from_url(url) as client:
            published = await ConfigReader(client, KEYS, lambda: 0).read()
            news = News(client, KEYS, lambda: None)
            await news._read_config()
        return {
            "services": published.services,
            "names": published.by_name,
            "origins": published.origins,
            "graph": dependencies(published.effective).needs,
            "unknown": list(unknown_keys(published.file)),
            "sources": sources_of(published, ()),
            "metrics": (news.options, news.watched),
        }

    return asyncio.run(look()), jobs


def cli_view(document: dict[str, Any], home: Path) -> Any:
    """What the command line finds in what the API gives it, and in the file."""
    found = Document(document, "1", {}, frozenset())
    after = json.loads(json.dumps(document))
    after["web"] = {**after.get("web", {}), "port": 81}
    change = plan_change(found, after)
    mine = load_settings({"DUMB_HOME": str(home)})
    findings = [f for f in check_config_file(mine) if f.name == "configuration file"]
    services = [(s.process_name, s.path, s.block) for s in walk_services(config_of(document))]
    return change and change.body, services, findings


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def _views(document: dict[str, Any], home: Path, redis: Redis, url: str) -> Any:
    path = home / "dumb_config.json"
    path.write_text(json.dumps(document))
    mine, config = supervisor_view(path, home)
    seen = {"supervisor": mine, "cli": cli_view(document, home)}
    if config is not None:
        redis.mset(whole_news(config, KEYS).values)
        seen["readers"] = readers_view(redis, url)
        # As anybody else could have put it there.
        redis.set(KEYS.config, json.dumps({"file": document, "effective": document}))
        seen["uncut"] = readers_view(redis, url)
    return seen


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(base=st.sampled_from(BASES), remembered=PAGES, first=st.booleans())
def test_every_program_sees_what_it_sees_without_page_memory(  # noqa: PLR0917 - by name
    redis: Redis, redis_url: str, tmp_path: Path, base: Any, remembered: Any, first: bool
) -> None:
    dumb = base.get("dumb", {})
    with_pages = {"ui": remembered, **dumb} if first else {**dumb, "ui": remembered}
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    without = _views(base, home, redis, redis_url)
    assert _views({**base, "dumb": with_pages}, home, redis, redis_url) == without
