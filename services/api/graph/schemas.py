"""The answer of `GET /process/dependency-graph`, as the OpenAPI document shows it."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.api.graph.signals import Strength

RowState = Literal["running", "stopped", "disabled", "missing", "unknown"]


class Classification(StrEnum):
    """`hard`: it must be there. `linkage`: they work together."""

    HARD = "hard"
    LINKAGE = "linkage"


class Reasons(BaseModel):
    """Why one needs the other; the strongest reason decides."""

    signals: list[str]
    classification: Classification
    strength: Strength


class KeyState(BaseModel):
    """All services of a key."""

    key: str
    label: str
    state: RowState


class OrderRow(KeyState, Reasons):
    """One place in the order of starting."""


class DependencyRow(OrderRow):
    """What the service needs."""

    process_count: int
    scoped: bool = Field(description="Only those instances count that serve this service")
    starter_process_name: str | None


class DependentRow(OrderRow):
    """What needs the service."""

    missing_deps: list[str]


class LinkedRow(OrderRow):
    """The same by service."""

    process_name: str


class GraphNode(BaseModel):
    """A service in the picture."""

    id: str
    process_name: str
    key: str
    label: str
    state: RowState


class GraphEdge(Reasons):
    """`target` needs `source`."""

    source: str
    target: str


class ParallelGroup(BaseModel):
    """What starts together."""

    id: str
    label: str
    type: Literal["parallel", "serial"]
    members: list[str]


class SignalRow(BaseModel):
    """What a signal means."""

    signal: str
    classification: Classification
    strength: Strength
    description: str


class CoreRow(BaseModel):
    """A core service and the keys that it needs."""

    name: str
    key: str
    dependencies: list[str]


class GraphContext(BaseModel):
    """From which side the question is seen."""

    mode: Literal["core", "dependency"]
    key: str
    core: CoreRow


class DependencyGraph(BaseModel):
    """One service among those around it."""

    process_name: str
    config_key: str
    scope: Literal["runtime", "all"]
    context: GraphContext
    core_services: list[CoreRow]
    statuses: dict[str, Literal["running", "stopped"]]
    startup_order: list[OrderRow]
    dependency_rows: list[DependencyRow]
    dependent_rows: list[DependentRow]
    linked_outgoing_rows: list[LinkedRow]
    linked_incoming_rows: list[LinkedRow]
    nodes: list[GraphNode]
    edges: list[GraphEdge]
    parallel_groups: list[ParallelGroup]
    dependency_truth_table: list[SignalRow]
    processes: list[dict[str, Any]] = Field(description="As in `GET /process/processes`")
    updated_at: str
