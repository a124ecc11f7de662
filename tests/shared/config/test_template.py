"""The templates are data that must fit everything else that is known about the services."""

import pytest

from shared.config.catalogue import MULTIPLE, SINGLETONS, known_fields
from shared.config.dependency_facts import CORE_DEPENDENCIES
from shared.config.labels import CORE_LABELS, OPTIONAL_LABELS
from shared.config.pages import config_of
from shared.config.template import Template, templates
from shared.config.validate import problems

OLD = {"readarr", "whisparr-v3"}
"""Known by name, never in the original's template (contract config.md 2)."""

CASES = [pytest.param(template, id=key) for key, template in templates().items()]


def test_every_service_of_the_catalogue_has_one() -> None:
    assert templates().keys() == (SINGLETONS.keys() | MULTIPLE.keys()) - OLD
    assert templates().keys() >= CORE_LABELS.keys() | OPTIONAL_LABELS.keys()
    assert templates().keys() >= {key for row in CORE_DEPENDENCIES.values() for key in row}


@pytest.mark.parametrize("template", CASES)
def test_a_template_is_a_valid_block_with_known_fields(template: Template) -> None:
    assert problems(config_of({template.key: template.tree(template.block)})) == []
    assert set(template.block) <= set(known_fields(template.key))
    assert (template.key in MULTIPLE) == bool(template.instance)
    assert template.block["enabled"] is False
    assert template.description.endswith(".")


@pytest.mark.parametrize("template", CASES)
def test_no_command_or_variable_repeats_a_port(template: Template) -> None:
    """A port that moves must take everything along that names it."""
    port = str(template.block.get("port", "none"))
    assert port not in template.block["command"]
    assert port not in template.block.get("env", {}).values()
