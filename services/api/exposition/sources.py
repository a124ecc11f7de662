"""What collectors of Prometheus' numbers may ask."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import Metric
from redis.asyncio import Redis

from services.api.situation import Situation
from services.api.ws.router import Rooms
from shared.bus.keys import Keys
from shared.models.service import ServiceState


@dataclass(frozen=True, slots=True)
class Sources:
    """At one scrape. `snapshot`: the collector's last one, if there is one."""

    redis: Redis
    keys: Keys
    states: dict[str, ServiceState]
    rooms: Rooms
    situation: Situation
    snapshot: Any = None


Collector = Callable[[Sources], Awaitable[list[Metric]]]
"""One topic. Raises what redis-py raises: the topic is then left out."""


def number(value: Any) -> float | None:
    """A number of a snapshot, None for what is none."""
    return float(value) if isinstance(value, int | float) and type(value) is not bool else None


def part(tree: Any, key: str) -> dict[str, Any]:
    """An object in an object, {} where there is none."""
    found = tree.get(key) if isinstance(tree, dict) else None
    return found if isinstance(found, dict) else {}


def parts(tree: Any, key: str) -> list[dict[str, Any]]:
    """A list of objects in an object."""
    found = tree.get(key) if isinstance(tree, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
