"""Alerts speak of metrics that exist, and the operator's document speaks of the alerts."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

PROJECT: Final = Path(__file__).resolve().parents[2]
PLACE: Final = PROJECT / "deploy" / "prometheus"


def load(name: str) -> dict[str, Any]:
    tree: dict[str, Any] = YAML(typ="safe").load(PLACE / name)
    return tree


RULES: Final[list[dict[str, Any]]] = load("alerts.yml")["groups"][0]["rules"]


def served() -> set[str]:
    """Names of metrics in the source of the API, as they are asked for."""
    files = (PROJECT / "services" / "api" / "exposition").glob("*.py")
    found = {
        name for file in files for name in re.findall(r'"(dumb_\w+)"', file.read_text("utf-8"))
    }
    return found | {f"{name}_total" for name in found}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_can_fire_and_is_explained(rule: dict[str, Any]) -> None:
    names = set(re.findall(r"\bdumb_\w+", rule["expr"]))
    assert names <= served()
    jobs = set(re.findall(r'job="([^"]+)"', rule["expr"]))
    assert jobs <= {job["job_name"] for job in load("prometheus.yml")["scrape_configs"]}
    assert names or jobs
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"| `{rule['alert']}` |" in text
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert f"by ({label})" in rule["expr"] or label == "instance"


def test_every_alert_that_is_explained_exists() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `(Dumb\w+)` \|", text, flags=re.MULTILINE))
    assert explained == {rule["alert"] for rule in RULES}
