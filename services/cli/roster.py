"""The services as the API knows them, and the names that people type for them."""

from collections.abc import Iterable
from typing import Any, Final

from services.cli.client import Client
from shared.config.names import resolve
from shared.models.service import ServiceState

API_KEY: Final = "dumb_api_service"
"""`config_key` of the API's own entry: it cannot stop itself."""


def read_roster(client: Client) -> list[ServiceState]:
    """All services in the order of the file. Raises as `Client.get` does."""
    found = client.get("/process/states").get("services")
    return [state for entry in found or [] if (state := _state(entry)) is not None]


def _state(entry: Any) -> ServiceState | None:
    try:
        return ServiceState.from_mapping(entry)
    except (ValueError, TypeError, AttributeError):
        return None  # of a newer version, in a form that we do not know


def choose(states: Iterable[ServiceState], typed: Iterable[str]) -> list[ServiceState]:
    """Those that were named, once each, in that order. Case and spaces do not matter.

    Raises:
        UnknownServiceError: it names the nearest one.
        AmbiguousServiceError: several fit.
    """
    by_name = {state.process_name: state for state in states}
    names = dict.fromkeys(resolve(by_name, name) for name in typed)
    return [by_name[name] for name in names]


def is_down(state: ServiceState) -> bool:
    """Whether it ought to run and does not."""
    return state.status.value in {"exited", "failed"} and state.desired.value == "up"


def of_interest(states: Iterable[ServiceState]) -> list[ServiceState]:
    """Those that are enabled, run, or ought to."""
    return [s for s in states if s.enabled or s.alive or is_down(s) or s.status.value == "waiting"]
