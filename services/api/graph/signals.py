"""Why one service is said to need another: every reason, and how strong it is (rest.md 3.10)."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.config.dependencies import USER_SIGNAL
from shared.config.dependency_facts import (
    CONDITIONAL_MAP,
    CORE_MAP,
    FROM_DECYPHARR,
    FROM_INFINIDYSK,
    FROM_ZURG,
    NON_CORE_MAP,
    WAIT_FOR_MOUNTS,
)
from shared.config.links import CORE_FIELDS, DOCUMENTED, WAIT_FOR_DIR, WAIT_FOR_URL, ZILEAN


class Strength(StrEnum):
    """The strongest first."""

    RUNTIME = "hard_runtime"
    CONFIGURED = "hard_configured"
    LINKAGE = "soft_linkage"


@dataclass(frozen=True, slots=True)
class Signal:
    """A reason."""

    name: str
    strength: Strength
    description: str

    @property
    def classification(self) -> str:
        """`hard`: it must be there. `linkage`: they work together."""
        return "linkage" if self.strength is Strength.LINKAGE else "hard"

    def row(self) -> dict[str, str]:
        """As the table of all signals shows it."""
        return {
            "signal": self.name,
            "classification": self.classification,
            "strength": self.strength.value,
            "description": self.description,
        }


_RUN, _SET, _SOFT = Strength.RUNTIME, Strength.CONFIGURED, Strength.LINKAGE

SIGNALS: Final = (
    Signal(CORE_MAP, _RUN, "A core service and what is started before it"),
    Signal(WAIT_FOR_URL, _RUN, "It waits for an address of the other service"),
    Signal(WAIT_FOR_DIR, _RUN, "It waits for a directory in a mount of the other service"),
    Signal(WAIT_FOR_MOUNTS, _RUN, "It waits for a mount of the other service"),
    Signal(FROM_ZURG, _RUN, "The mount shows what Zurg serves"),
    Signal(FROM_DECYPHARR, _RUN, "The mount shows what Decypharr serves"),
    Signal(FROM_INFINIDYSK, _RUN, "The mount shows what InfiniDysk serves"),
    Signal(NON_CORE_MAP, _RUN, "It never works without the other service"),
    Signal(CONDITIONAL_MAP, _RUN, "It needs the other service as both are configured"),
    Signal(CORE_FIELDS, _SET, "`core_service` of its block, or of the other one's, says so"),
    Signal(ZILEAN, _SOFT, "It can search with Zilean"),
    Signal(DOCUMENTED, _SOFT, "They are known to work together"),
    Signal(USER_SIGNAL, _RUN, "`depends_on` of its block says so"),
)

_BY_NAME: Final = {signal.name: signal for signal in SIGNALS}
_ORDER: Final = tuple(Strength)


def described(names: Iterable[str]) -> dict[str, Any]:
    """`signals`, `classification` and `strength` of an edge or a row; the strongest decides."""
    unique = list(dict.fromkeys(names))
    strongest = min((_BY_NAME[name] for name in unique), key=lambda s: _ORDER.index(s.strength))
    return {
        "signals": unique,
        "classification": strongest.classification,
        "strength": strongest.strength.value,
    }
