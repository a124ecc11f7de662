"""docker-compose.yml and what belongs to it, read; `make compose-test` runs them."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from deploy.env_example import compose_variables, program_settings, render
from shared.version import VERSION
from tests.deploy.broker import USERS

PROJECT: Final = Path(__file__).resolve().parents[2]


def compose() -> dict[str, Any]:
    tree: dict[str, Any] = YAML(typ="safe").load(PROJECT / "docker-compose.yml")
    return tree


SERVICES: Final = sorted(compose()["services"])


def test_the_example_of_settings_is_what_the_settings_say() -> None:
    """Or run `python -m deploy.env_example > .env.example`."""
    assert (PROJECT / ".env.example").read_text(encoding="utf-8") == render()


def test_every_variable_is_explained_and_set_once() -> None:
    text = (PROJECT / ".env.example").read_text(encoding="utf-8")
    names = re.findall(r"^#([A-Z_]+)=", text, flags=re.MULTILINE)
    assert set(names) == set(compose_variables()) | set(program_settings())
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_limited_watched_and_restarted(name: str) -> None:
    service = compose()["services"][name]
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "healthcheck", "logging"} <= set(service)
    assert service.get("read_only") or name == "supervisor"
    for port in service.get("ports", []):
        assert re.match(r"\$\{DUMB_\w+:-127\.0\.0\.1\}:", port), port


def test_who_has_which_password() -> None:
    tree = compose()
    for user in USERS:
        assert tree["secrets"][f"redis_{user}"] == {"file": f"./secrets/redis_{user}"}
    assert tree["services"]["redis"]["secrets"] == [f"redis_{user}" for user in USERS]
    for user in set(USERS) & set(tree["services"]):
        service = tree["services"][user]
        assert f"redis_{user}" in service["secrets"]
        assert f"REDIS_URL=redis://{user}@redis:6379/0" in service["environment"]
        assert f"DUMB_REDIS_PASSWORD_FILE=/run/secrets/redis_{user}" in service["environment"]
    holders = {user: [] for user in USERS}  # type: dict[str, list[str]]
    for name, service in tree["services"].items():
        for user in USERS:
            if name != "redis" and f"redis_{user}" in service.get("secrets", []):
                holders[user].append(name)
    assert holders == {
        "supervisor": ["supervisor"],
        "api": ["api"],
        "metrics": ["supervisor"],  # it lives beside it
        "jobs": ["jobs"],
        "publisher": [],
    }


def test_a_replica_serves_until_the_proxy_has_noticed() -> None:
    proxy = (PROJECT / "deploy" / "proxy" / "haproxy.cfg").read_text(encoding="utf-8")
    inter = int(re.findall(r" inter (\d+)ms ", proxy)[0])
    fall = int(re.findall(r" fall (\d+) ", proxy)[0])
    timeout = int(re.findall(r"timeout check (\d+)ms", proxy)[0])
    environment = compose()["services"]["api"]["environment"]
    drain = next(e for e in environment if e.startswith("DUMB_API_DRAIN_S="))
    assert float(drain.partition("=")[2]) * 1000 > inter * fall + timeout


def test_the_image_says_which_version_it_is() -> None:
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    assert f"ARG VERSION={VERSION}\n" in text
