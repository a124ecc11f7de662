"""How long a start may take, and so how long its answer is waited for."""

from typing import Any

import pytest

from shared.config.services import ServiceBlock
from shared.config.timing import may_wait, start_budget_s, wait_limit_s


def service(key: str = "web", **block: Any) -> ServiceBlock:
    return ServiceBlock("Web", key, "", (key,), {"process_name": "Web", **block}, True)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        (service(), 121),
        (service(wait_for_dir="/x"), 721),
        (service(wait_for_dir=""), 121),
        (service(wait_for_dir="/x", wait_timeout=5), 126),
        (service("plex"), 721),
        (service("plex", wait_timeout=0), 721),
        (service("plex", wait_timeout=None), 721),
    ],
)
def test_a_wait_belongs_to_the_budget_of_a_start(found: ServiceBlock, seconds: float) -> None:
    assert start_budget_s(found) == seconds
    assert may_wait(found) is (seconds != 121)


def test_no_limit_is_told_from_a_limit() -> None:
    assert wait_limit_s(service()) is None
    assert wait_limit_s(service(wait_timeout=0)) is None
    assert wait_limit_s(service(wait_timeout=3)) == 3
