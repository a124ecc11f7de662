"""The services as the API knows them, and the names that people type for them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from services.cli.client import Client
from shared.config.names import resolve
from shared.judgement import Judgement, Verdict, judge
from shared.models.service import ServiceState

API_KEY: Final = "dumb_api_service"
"""`config_key` of the API's own entry: it cannot stop itself."""


@dataclass(frozen=True, slots=True)
class Listed(ServiceState):
    """A service as the API lists it."""

    judgement: Mapping[str, Any] | None = None
    """What the API says about it; None from an API of an older version."""

    def judged(self, now: float) -> Judgement:
        """Whether it is as it should be. Without the API's word: by the state alone."""
        told = self.judgement
        found = judge(self, now=now)
        if told is None:
            return found
        return replace(
            found,
            verdict=Verdict(str(told["verdict"])),
            reason=str(told["reason"]),
            since=told.get("since"),
            advice=str(told.get("advice") or ""),
        )


def read_roster(client: Client) -> list[Listed]:
    """All services in the order of the file. Raises as `Client.get` does."""
    found = client.get("/process/states").get("services")
    return [state for entry in found or [] if (state := _state(entry)) is not None]


def _state(entry: Any) -> Listed | None:
    try:
        listed = Listed.from_mapping(entry)
        listed.judged(time.time())
    except (ValueError, TypeError, AttributeError, KeyError):
        return None  # of a newer version, in a form that we do not know
    return listed


def choose(states: Iterable[Listed], typed: Iterable[str]) -> list[Listed]:
    """Those that were named, once each, in that order. Case and spaces do not matter.

    Raises:
        UnknownServiceError: it names the nearest one.
        AmbiguousServiceError: several fit.
    """
    by_name = {state.process_name: state for state in states}
    names = dict.fromkeys(resolve(by_name, name) for name in typed)
    return [by_name[name] for name in names]


def of_interest(states: Iterable[Listed], now: float) -> list[Listed]:
    """Those that are enabled, run, come, or need attention."""
    return [s for s in states if s.enabled or s.alive or s.judged(now).verdict is not Verdict.OK]
