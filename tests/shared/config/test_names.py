"""Typed names to process names."""

import pytest

from shared.config.names import loose, nearest, resolve
from shared.errors import AmbiguousServiceError, UnknownServiceError

NAMES = ["Sonarr", "Sonarr 4K", "Riven Backend", "riven backend", "Zurg w/ RealDebrid"]


def test_an_exact_name_wins_over_loose_ones() -> None:
    assert resolve(NAMES, "riven backend") == "riven backend"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("sonarr4k", "Sonarr 4K"), ("SONARR", "Sonarr"), ("zurg W/realdebrid", "Zurg w/ RealDebrid")],
)
def test_the_only_loose_match_is_taken(wanted: str, name: str) -> None:
    assert resolve(iter(NAMES), wanted) == name


def test_several_loose_matches_are_refused_by_name() -> None:
    with pytest.raises(AmbiguousServiceError, match="Riven Backend, riven backend"):
        resolve(NAMES, "RIVENBACKEND")


def test_an_unknown_name_gets_the_nearest_as_a_hint() -> None:
    with pytest.raises(UnknownServiceError, match="Did you mean 'Sonarr'") as caught:
        resolve(NAMES, "sonar")
    assert caught.value.nearest == "Sonarr"


@pytest.mark.parametrize("wanted", ["", "qqqq", "x" * 1_000_000])
def test_nothing_near_gives_no_hint(wanted: str) -> None:
    assert nearest(NAMES, wanted) is None
    with pytest.raises(UnknownServiceError):
        resolve(NAMES, wanted)


def test_loose_drops_spaces_and_case() -> None:
    assert loose("  Riven BackEnd ") == "rivenbackend"
