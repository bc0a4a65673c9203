"""What a cluster has: workloads, pods, nodes and events, and how well they are; pure. All texts are untrusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean, human_bytes, human_duration
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
    """As ``kubectl get pods --selector`` takes it; empty for one that is not understood."""
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
    controller_kind: str = ""
    controller: str = ""
    """What controls it directly: the ReplicaSet."""
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


NEVER = datetime(1970, 1, 1, tzinfo=UTC)


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
    since: datetime = NEVER
    """Since when it has this level, as far as LilFox has seen it."""
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


# How well they are. A time of None is one that is not known.


RECENT_S = 600.0
"""A restart or a kill for lack of memory counts as a problem for so long."""
SETTLES_S = 60.0
"""What is begun may take so long: a pod that is not ready yet, fewer pods than wanted."""
LONG_S = 900.0
"""A pod that is not ready for so long fails."""
OLD_S = 86_400.0
"""A pod that ended so long ago is no problem of today."""
LOOPS_AFTER = 3
"""So many restarts within ``RECENT_S`` are a crash loop."""
_Found = list[tuple[Level, Message]]


def judge_pod(pod: Pod, now: datetime, recent_restarts: int = 0) -> tuple[Level, tuple[Message, ...]]:
    """Return the level of a pod and the reasons, worst first. ``recent_restarts`` were seen in the last ten minutes."""
    if pod.phase == "Succeeded":
        return Level.GOOD, ()
    if pod.phase == "Failed":
        return _failed(pod, now)
    found: _Found = []
    for each in pod.containers:
        problems = _container_problems(each, now, recent_restarts)
        if len(pod.containers) > 1:
            problems = [(level, tr("{name}: {why}", name=clean(each.name), why=why)) for level, why in problems]
        found += problems
    if pod.deleted is not None:
        late = _seconds(pod.deleted, now)
        stuck = late is not None and late > SETTLES_S
        return _worst([(Level.DEGRADED, tr("should have ended {age} ago", age=_age(late)))] if stuck else [])
    found += _pod_problems(pod, now, told=bool(found))
    return _worst(found)


def _failed(pod: Pod, now: datetime) -> tuple[Level, tuple[Message, ...]]:
    """A pod that ended for good. A workload makes another, and says itself if that is not enough."""
    ends = [each.end for each in pod.containers if each.end is not None]
    times = [at for at in (*(end.finished for end in ends), *(each.since for each in pod.conditions)) if at is not None]
    ended_s = _seconds(max(times, default=pod.created), now)
    replaced = pod.owner_kind in (*WORKLOAD_KINDS, "ReplicaSet")
    if ended_s is not None and ended_s > (RECENT_S if replaced else OLD_S):
        return Level.GOOD, ()
    why = tr("failed: {reason}", reason=clean(pod.message or pod.status))
    return Level.DEGRADED, (why,)


def _container_problems(each: PodContainer, now: datetime, recent_restarts: int) -> _Found:
    found: _Found = []
    last = each.latest_end
    ended_s = None if last is None else _seconds(last.finished, now)
    recent = ended_s is not None and ended_s < RECENT_S
    why = each.reason or ("" if each.end is None else each.end.reason)
    loops = recent_restarts >= LOOPS_AFTER and recent and each.restarts >= LOOPS_AFTER
    if last is not None and last.reason == "OOMKilled" and (recent or each.state != "running"):
        found.append((Level.FAILING, tr("killed: out of memory{limit}", limit=_limit_words(each))))
    if why == "CrashLoopBackOff" or (loops and why not in IMAGE_REASONS | START_REASONS):
        found.append((Level.FAILING, tr("crash loop: restarts so far: {count}{end}", count=each.restarts,
                                        end=_end_words(last))))  # fmt: skip
    elif why in IMAGE_REASONS:
        found.append((Level.FAILING, tr("image {image} cannot be pulled ({reason}){message}", image=clean(each.image),
                                        reason=clean(why), message=_words(each.message))))  # fmt: skip
    elif why in START_REASONS:
        said = each.message or ("" if each.end is None else each.end.message)
        found.append((Level.FAILING, tr("cannot be started ({reason}){message}", reason=clean(why),
                                        message=_words(said))))  # fmt: skip
    elif recent and last is not None and last.exit_code and not found:
        found.append((Level.DEGRADED, tr("ended {age} ago{end}", age=_age(ended_s), end=_end_words(last))))
    return found


def _pod_problems(pod: Pod, now: datetime, *, told: bool) -> _Found:
    """What is wrong with a pod as a whole; ``told``: its containers already say why it is not ready."""
    scheduled = pod.condition("PodScheduled")
    if pod.phase == "Unknown" or pod.status in ("Unknown", "NodeLost"):
        return [(Level.FAILING, tr("unknown: its node {node} does not answer", node=clean(pod.node)))]
    if scheduled is not None and scheduled.status == "False" and scheduled.reason != "SchedulingGated":
        waits_s = _seconds(scheduled.since or pod.created, now)
        level = Level.FAILING if waits_s is None or waits_s > SETTLES_S else Level.DEGRADED
        return [(level, tr("pending for {age}: {message}", age=_age(waits_s),
                           message=clean(scheduled.message or scheduled.reason)))]  # fmt: skip
    if pod.ready or told:
        return []
    waits_s = _seconds(pod.ready_since or pod.created, now)
    if waits_s is None or waits_s <= SETTLES_S:
        return []
    level = Level.FAILING if waits_s > LONG_S else Level.DEGRADED
    unready = [clean(each.name) for each in pod.containers if not each.init and not each.ready]
    if pod.phase == "Running" and unready:
        return [(level, tr("not ready for {age}: {containers}", age=_age(waits_s), containers=", ".join(unready)))]
    return [(level, tr("not ready for {age} ({status})", age=_age(waits_s), status=clean(pod.status)))]


def judge_workload(
    workload: Workload, pods: Sequence[PodView], short_s: float | None = None
) -> tuple[Level, tuple[Message, ...]]:
    """Return the level of a workload and the reasons, worst first. For ``short_s`` it has fewer available pods than
    wanted; its worst pod counts as its own problem."""
    found: _Found = []
    progress, failure = workload.condition("Progressing"), workload.condition("ReplicaFailure")
    if progress is not None and progress.status == "False":
        found.append((Level.FAILING, tr("rollout failed: {message}",
                                        message=clean(progress.message or progress.reason))))  # fmt: skip
    if failure is not None and failure.status == "True":
        found.append((Level.FAILING, tr("pods cannot be created: {message}",
                                        message=clean(failure.message or failure.reason))))  # fmt: skip
    if workload.available < workload.wanted and (short_s is None or short_s > SETTLES_S):
        level = Level.DEGRADED if workload.available else Level.FAILING
        found.append((level, tr("{available} of {wanted} pods available for {age}", available=workload.available,
                                wanted=workload.wanted, age=_age(short_s))))  # fmt: skip
    ill = [each for each in pods if each.level > Level.UNKNOWN and each.reasons]
    if ill:
        worst = max(ill, key=lambda each: each.level)
        found.append((worst.level, tr("{name}: {why}", name=clean(worst.pod.name), why=worst.reasons[0])))
    return _worst(found)


_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def judge_node(node: ClusterNode) -> tuple[Level, tuple[Message, ...]]:
    """Return the level of a node and the reasons, worst first."""
    found: _Found = []
    ready = node.condition("Ready")
    if not node.ready:
        why = "" if ready is None else ready.message or ready.reason
        found.append((Level.FAILING, tr("not ready{message}", message=_words(why))))
    for name in _PRESSURES:
        each = node.condition(name)
        if each is not None and each.status == "True":
            found.append((Level.DEGRADED, tr("{condition}{message}", condition=name, message=_words(each.message))))
    network = node.condition("NetworkUnavailable")
    if network is not None and network.status == "True":
        found.append((Level.FAILING, tr("network unavailable{message}", message=_words(network.message))))
    return _worst(found)


def _worst(found: _Found) -> tuple[Level, tuple[Message, ...]]:
    found.sort(key=lambda each: -each[0])
    return (found[0][0] if found else Level.GOOD), tuple(reason for _level, reason in found)


def _seconds(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, (now - since).total_seconds())


def _age(seconds: float | None) -> str:
    return "?" if seconds is None else human_duration(round(seconds))


def _words(message: str) -> str:
    return f": {clean(message)}" if message else ""


def _limit_words(container: PodContainer) -> Message | str:
    limit = container.limits.memory
    return "" if limit is None else tr(" (limit {limit})", limit=human_bytes(limit))


def _end_words(end: ContainerEnd | None) -> Message | str:
    if end is None or end.exit_code is None:
        return ""
    if end.reason == "OOMKilled":
        return tr(", the last for lack of memory")
    return tr(", last exit code {code}", code=end.exit_code)
