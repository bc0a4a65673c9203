"""What a cluster has: workloads, pods, nodes and events, and how well they are; pure. All texts are untrusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.model import Labels, Level

IMAGE_REASONS = frozenset({
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError",
    "RegistryUnavailable", "SignatureValidationFailed",
})  # fmt: skip
"""Why a container waits whose image cannot be had."""
START_REASONS = frozenset({
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError",
    "PreStartHookError", "PostStartHookError", "StartError", "ContainerCannotRun",
})  # fmt: skip
"""Why a container waits, or has ended, that cannot be started."""

WorkloadKind = Literal["Deployment", "StatefulSet", "DaemonSet"]
WORKLOAD_KINDS: tuple[WorkloadKind, ...] = ("Deployment", "StatefulSet", "DaemonSet")


class ObjectCondition(Struct, frozen=True):
    """One of an object's conditions: ``status`` is ``True``, ``False`` or ``Unknown``."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: datetime | None = None


class Revision(Struct, frozen=True, kw_only=True):
    """A revision of a Deployment: one of its ReplicaSets."""

    number: int
    name: str
    images: tuple[str, ...] = ()
    change_cause: str = ""
    created: datetime | None = None
    replicas: int = 0


class Workload(Struct, frozen=True, kw_only=True):
    """A Deployment, StatefulSet or DaemonSet. ``revision`` is that of a Deployment; the others have none (0)."""

    kind: WorkloadKind
    namespace: str
    name: str
    uid: str = ""
    wanted: int = 0
    ready: int = 0
    updated: int = 0
    available: int = 0
    replicas: int = 0
    """Pods there are, old and new."""
    revision: int = 0
    generation: int = 0
    observed: int = 0
    """The generation that its controller has seen."""
    images: tuple[str, ...] = ()
    conditions: tuple[ObjectCondition, ...] = ()
    change_cause: str = ""
    paused: bool = False
    created: datetime | None = None
    selector: str = ""
    """As ``kubectl get pods --selector`` takes it."""
    restarted_at: str = ""
    revisions: tuple[Revision, ...] = ()
    """Those whose ReplicaSets are still there, the newest first."""

    @property
    def resource(self) -> str:
        """As kubectl names it: ``deployment/web``."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def rolling(self) -> bool:
        """Whether its pods are being replaced, or their number changed."""
        return (
            self.observed < self.generation
            or self.updated < self.wanted
            or self.replicas != self.wanted
            or self.available < self.wanted
        )

    def condition(self, name: str) -> ObjectCondition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == name), None)


class ContainerEnd(Struct, frozen=True):
    """How a container ended: ``reason`` as its runtime tells (``OOMKilled``, ``Error``, ``Completed``)."""

    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    message: str = ""
    finished: datetime | None = None


class ComputeAmounts(Struct, frozen=True):
    """Amounts of CPU (cores) and memory (bytes); None is none given, or unknown."""

    cpu: float | None = None
    memory: float | None = None


class PodContainer(Struct, frozen=True, kw_only=True):
    """A container of a pod. ``reason`` and ``message`` say why it waits; ``end`` is that of its present state,
    ``last_end`` that of the run before."""

    name: str
    image: str = ""
    init: bool = False
    sidecar: bool = False
    """An init container that goes on running."""
    state: Literal["waiting", "running", "terminated", ""] = ""
    reason: str = ""
    message: str = ""
    ready: bool = False
    restarts: int = 0
    started: datetime | None = None
    end: ContainerEnd | None = None
    last_end: ContainerEnd | None = None
    requests: ComputeAmounts = ComputeAmounts()
    limits: ComputeAmounts = ComputeAmounts()
    usage: ComputeAmounts = ComputeAmounts()

    @property
    def latest_end(self) -> ContainerEnd | None:
        """How it ended last."""
        return self.end or self.last_end


class Pod(Struct, frozen=True, kw_only=True):
    """A pod. ``status`` is what ``kubectl get pods`` shows as STATUS."""

    namespace: str
    name: str
    uid: str = ""
    node: str = ""
    ip: str = ""
    phase: str = ""
    status: str = ""
    ready: bool = False
    ready_since: datetime | None = None
    """Since when it is ready, or is not."""
    containers: tuple[PodContainer, ...] = ()
    conditions: tuple[ObjectCondition, ...] = ()
    created: datetime | None = None
    deleted: datetime | None = None
    """When it is to be gone, if it was deleted."""
    labels: Labels = ()
    owner_kind: str = ""
    owner: str = ""
    """What made it: the Deployment rather than its ReplicaSet. Empty for a pod of its own."""
    message: str = ""

    @property
    def restarts(self) -> int:
        """Of its containers, init containers that have done their work aside."""
        return sum(each.restarts for each in self.containers if not each.init or each.sidecar)

    @property
    def ready_text(self) -> str:
        """As kubectl shows READY: ``1/2``."""
        counted = [each for each in self.containers if not each.init or each.sidecar]
        return f"{sum(each.ready for each in counted)}/{len(counted)}"

    @property
    def usage(self) -> ComputeAmounts:
        """What its containers use together."""
        return _total(each.usage for each in self.containers)

    @property
    def limits(self) -> ComputeAmounts:
        """The limits of its containers together; None where one has none."""
        return _total((each.limits for each in self.containers if not each.init), all_of=True)

    @property
    def requests(self) -> ComputeAmounts:
        """What its containers request together."""
        return _total(each.requests for each in self.containers if not each.init)

    def condition(self, name: str) -> ObjectCondition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == name), None)


class ClusterNode(Struct, frozen=True, kw_only=True):
    """A node of a cluster."""

    name: str
    ready: bool = False
    conditions: tuple[ObjectCondition, ...] = ()
    cordoned: bool = False
    roles: tuple[str, ...] = ()
    capacity: ComputeAmounts = ComputeAmounts()
    allocatable: ComputeAmounts = ComputeAmounts()
    usage: ComputeAmounts = ComputeAmounts()
    pods_limit: int = 0
    version: str = ""
    address: str = ""
    created: datetime | None = None

    def condition(self, name: str) -> ObjectCondition | None:
        """Return the condition of that type."""
        return next((each for each in self.conditions if each.type == name), None)


class ClusterEvent(Struct, frozen=True, kw_only=True):
    """An event, as Kubernetes tells it."""

    namespace: str
    kind: str
    name: str
    """Of the object that it is about."""
    type: str = ""
    """``Warning`` or ``Normal``."""
    reason: str = ""
    message: str = ""
    count: int = 1
    last_seen: datetime | None = None


class ClusterObjects(Struct, frozen=True):
    """What one look has found."""

    workloads: tuple[Workload, ...] = ()
    pods: tuple[Pod, ...] = ()
    nodes: tuple[ClusterNode, ...] = ()
    events: tuple[ClusterEvent, ...] = ()


# As rows show them: worst first.


class PodView(Struct, frozen=True, kw_only=True):
    """A pod with its level and the reasons, worst first; ``recent_restarts`` are those seen in ten minutes."""

    pod: Pod
    level: Level
    reasons: tuple[Message, ...] = ()
    recent_restarts: int = 0


class WorkloadView(Struct, frozen=True, kw_only=True):
    """A workload with its pods, worst first."""

    workload: Workload
    pods: tuple[PodView, ...]
    level: Level
    reasons: tuple[Message, ...] = ()


class NodeView(Struct, frozen=True, kw_only=True):
    """A node with its level and how many pods run there."""

    node: ClusterNode
    level: Level
    reasons: tuple[Message, ...] = ()
    pods: int = 0


class ClusterView(Struct, frozen=True, kw_only=True):
    """A cluster. ``error`` is why it cannot be asked now: all else is then as it was seen last (at ``seen``)."""

    name: str
    host: str
    """Whose kubectl is asked."""
    context: str = ""
    """Empty until it is known."""
    server: str = ""
    namespaces: tuple[str, ...] = ()
    production: bool = False
    version: str = ""
    level: Level = Level.UNKNOWN
    reasons: tuple[Message, ...] = ()
    workloads: tuple[WorkloadView, ...] = ()
    pods: tuple[PodView, ...] = ()
    nodes: tuple[NodeView, ...] = ()
    events: tuple[ClusterEvent, ...] = ()
    error: LilFoxError | None = None
    missing: tuple[Message, ...] = ()
    """What the account of kubectl may not read."""
    seen: datetime | None = None

    def workload(self, kind: str, namespace: str, name: str) -> WorkloadView | None:
        """Return that workload, or None."""
        key = (kind, namespace, name)
        found = (each for each in self.workloads)
        return next(
            (each for each in found if (each.workload.kind, each.workload.namespace, each.workload.name) == key), None
        )

    def count(self, level: Level) -> int:
        """Return how many workloads, nodes and pods without a workload are at that level."""
        alone = (each for each in self.pods if each.pod.owner_kind not in WORKLOAD_KINDS)
        return sum(each.level is level for group in (self.workloads, self.nodes, alone) for each in group)


def is_production(context: str, configured: bool | None) -> bool:
    """Whether a cluster is shown as production; in doubt it is."""
    return "prod" in context.lower() if configured is None else configured


def _total(found: Iterable[ComputeAmounts], *, all_of: bool = False) -> ComputeAmounts:
    listed = list(found)

    def total(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return None if not known or (all_of and len(known) < len(values)) else sum(known)

    return ComputeAmounts(total([each.cpu for each in listed]), total([each.memory for each in listed]))
