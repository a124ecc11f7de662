"""What a probe found out."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Health(StrEnum):
    """The four words of the contract (lifecycle.md 9)."""

    HEALTHY = "healthy"
    STARTING = "starting"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`details` are what REST shows as `health_details`."""

    health: Health
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether a service that answers so can be used."""
        return self.health in {Health.HEALTHY, Health.DEGRADED}
