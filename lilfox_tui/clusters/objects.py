"""The objects of a cluster in kubectl's JSON; pure.

A document may be malformed everywhere: what is missing or of another type counts as unknown, and nothing here raises.
Of a pod's environment, which may hold secrets, nothing is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec.structs import replace

from lilfox_tui.clusters.model import (
    WORKLOAD_KINDS,
    ClusterEvent,
    ClusterNode,
    ClusterObjects,
    ComputeAmounts,
    ContainerEnd,
    ObjectCondition,
    Pod,
    PodContainer,
    Revision,
    Workload,
    WorkloadKind,
)
from lilfox_tui.redact import redacted_start

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_ROLE = "node-role.kubernetes.io/"
_MESSAGE_CHARS = 600
_LABELS_AT_MOST = 32
_QUANTITY = re.compile(r"([+-]?\d{1,18}(?:\.\d{0,18})?)(?:[eE]([+-]?\d{1,2})|(m|u|n|k|[MGTPE]|[KMGTPE]i))?")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_UNITS |= {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}

# What a document has.


def part(found: object, *path: str) -> Mapping[str, Any]:
    """Return the mapping that is there; empty if there is none."""
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def parts(found: object, *path: str) -> list[Mapping[str, Any]]:
    """Return the mappings of the list that is there."""
    listed = part(found, *path[:-1]).get(path[-1])
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def text_of(found: object, *path: str) -> str:
    """Return the text that is there; empty if there is none."""
    value = part(found, *path[:-1]).get(path[-1])
    return value if isinstance(value, str) else ""


def message_of(found: object, *path: str) -> str:
    """Return the text that is there without secrets, and not more of it than a reader needs."""
    return redacted_start(text_of(found, *path), _MESSAGE_CHARS)


def whole(found: object, *path: str, default: int = 0) -> int:
    """Return the whole number that is there."""
    value = part(found, *path[:-1]).get(path[-1])
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def moment_of(found: object, *path: str) -> datetime | None:
    """Return the time (RFC 3339) that is there, aware UTC."""
    text = text_of(found, *path)
    try:
        at = datetime.fromisoformat(text) if len(text) >= 20 else None
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None or at.year < 1970 else at.astimezone(UTC)


def quantity(found: object) -> float | None:
    """Return an amount as Kubernetes writes it: ``250m``, ``64Mi``, ``1.5``, ``2e3``."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        return float(found)
    match = _QUANTITY.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        return None
    return float(match[1]) * (10.0 ** int(match[2]) if match[2] else _UNITS.get(match[3] or "", 1.0))


def amounts(found: object, *path: str) -> ComputeAmounts:
    """Return the amounts that are there."""
    there = part(found, *path)
    return ComputeAmounts(quantity(there.get("cpu")), quantity(there.get("memory")))


def objects_of(documents: Iterable[Mapping[str, Any]]) -> ClusterObjects:
    """Return what ``documents`` (the items of lists) are."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for document in documents:
        by_kind.setdefault(text_of(document, "kind"), []).append(document)
    sets = by_kind.get("ReplicaSet", [])
    revisions = _revisions(sets)
    workloads = [
        workload_of(each, kind, revisions.get(text_of(each, "metadata", "uid"), ()))
        for kind in WORKLOAD_KINDS
        for each in by_kind.get(kind, [])
    ]
    owners = {text_of(each, "metadata", "uid"): _owner(each) for each in sets}
    return ClusterObjects(
        tuple(workloads),
        tuple(pod_of(each, owners) for each in by_kind.get("Pod", [])),
        tuple(map(node_of, by_kind.get("Node", []))),
        tuple(map(event_of, by_kind.get("Event", []))),
    )


def _owner(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """The kind, name and uid of what controls an object."""
    for each in parts(document, "metadata", "ownerReferences"):
        if each.get("controller") is True:
            return text_of(each, "kind"), text_of(each, "name"), text_of(each, "uid")
    return "", "", ""


def _images(document: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(text_of(each, "image") for each in parts(document, "spec", "template", "spec", "containers"))


def _revisions(sets: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Revision, ...]]:
    """The revisions of each Deployment, by its uid."""
    found: dict[str, list[Revision]] = {}
    for each in sets:
        kind, _name, uid = _owner(each)
        number = text_of(each, "metadata", "annotations", REVISION)
        if kind == "Deployment" and number.isascii() and number.isdigit() and len(number) < 10:
            found.setdefault(uid, []).append(Revision(
                number=int(number), name=text_of(each, "metadata", "name"), images=_images(each),
                change_cause=message_of(each, "metadata", "annotations", CHANGE_CAUSE),
                created=moment_of(each, "metadata", "creationTimestamp"),
                replicas=whole(each, "status", "replicas"),
            ))  # fmt: skip
    return {uid: tuple(sorted(listed, key=lambda each: -each.number)) for uid, listed in found.items()}


def conditions_of(document: Mapping[str, Any]) -> tuple[ObjectCondition, ...]:
    """Return the conditions of an object."""
    return tuple(
        ObjectCondition(
            text_of(each, "type"), text_of(each, "status"), text_of(each, "reason"),
            message_of(each, "message"), moment_of(each, "lastTransitionTime"),
        )
        for each in parts(document, "status", "conditions")
    )  # fmt: skip


def workload_of(document: Mapping[str, Any], kind: WorkloadKind, revisions: tuple[Revision, ...] = ()) -> Workload:
    """Return the workload that a document is."""
    metadata, spec, status = part(document, "metadata"), part(document, "spec"), part(document, "status")
    daemon = kind == "DaemonSet"
    ready = whole(status, "numberReady" if daemon else "readyReplicas")
    available = whole(status, "numberAvailable" if daemon else "availableReplicas")
    if kind == "StatefulSet" and "availableReplicas" not in status:
        available = ready  # before Kubernetes 1.22
    number = text_of(metadata, "annotations", REVISION)
    return Workload(
        kind=kind,
        namespace=text_of(metadata, "namespace"),
        name=text_of(metadata, "name"),
        uid=text_of(metadata, "uid"),
        wanted=whole(status, "desiredNumberScheduled") if daemon else whole(spec, "replicas", default=1),
        ready=ready,
        updated=whole(status, "updatedNumberScheduled" if daemon else "updatedReplicas"),
        available=available,
        replicas=whole(status, "currentNumberScheduled" if daemon else "replicas"),
        revision=int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0,
        generation=whole(metadata, "generation"),
        observed=whole(status, "observedGeneration"),
        images=_images(document),
        conditions=conditions_of(document),
        change_cause=message_of(metadata, "annotations", CHANGE_CAUSE),
        paused=spec.get("paused") is True,
        created=moment_of(metadata, "creationTimestamp"),
        selector=selector_text(part(spec, "selector")),
        restarted_at=text_of(spec, "template", "metadata", "annotations", RESTARTED_AT),
        revisions=revisions,
    )


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a selector as kubectl takes it: ``app=web,tier in (a,b)``; empty for one that is not understood."""
    words = [f"{key}={value}" for key, value in sorted(part(selector, "matchLabels").items())]
    for each in parts(selector, "matchExpressions"):
        key, operator, listed = text_of(each, "key"), text_of(each, "operator"), each.get("values")
        values = ",".join(map(str, listed)) if isinstance(listed, list) else ""
        written = {
            "In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}",
        }.get(operator)  # fmt: skip
        if written is None:
            return ""
        words.append(written)
    return ",".join(words)


def pod_of(document: Mapping[str, Any], owners: Mapping[str, tuple[str, str, str]]) -> Pod:
    """Return the pod that a document is. ``owners`` are those of ReplicaSets, by their uid."""
    metadata, spec, status = part(document, "metadata"), part(document, "spec"), part(document, "status")
    controller = kind, owner, uid = _owner(document)
    if kind == "ReplicaSet" and owners.get(uid, ("",))[0]:
        kind, owner, uid = owners[uid]
    containers = (*_containers(document, init=True), *_containers(document, init=False))
    conditions = conditions_of(document)
    ready = next((each for each in conditions if each.type == "Ready"), None)
    labels = {str(key): str(value) for key, value in part(metadata, "labels").items()}
    return Pod(
        namespace=text_of(metadata, "namespace"),
        name=text_of(metadata, "name"),
        uid=text_of(metadata, "uid"),
        node=text_of(spec, "nodeName"),
        ip=text_of(status, "podIP"),
        phase=text_of(status, "phase"),
        status=pod_status(document, containers, conditions),
        ready=ready is not None and ready.status == "True",
        ready_since=None if ready is None else ready.since,
        containers=containers,
        conditions=conditions,
        created=moment_of(metadata, "creationTimestamp"),
        deleted=moment_of(metadata, "deletionTimestamp"),
        labels=tuple(sorted(labels.items())[:_LABELS_AT_MOST]),
        owner_kind=kind,
        owner=owner,
        controller_kind=controller[0],
        controller=controller[1],
        message=message_of(status, "message"),
    )


def _containers(document: Mapping[str, Any], *, init: bool) -> list[PodContainer]:
    key, statuses = ("initContainers", "initContainerStatuses") if init else ("containers", "containerStatuses")
    told = {text_of(each, "name"): each for each in parts(document, "status", statuses)}
    return [_container(each, told.get(text_of(each, "name"), {}), init=init) for each in parts(document, "spec", key)]


def _container(spec: Mapping[str, Any], told: Mapping[str, Any], *, init: bool) -> PodContainer:
    state = part(told, "state")
    word: Literal["waiting", "running", "terminated", ""] = ""
    for name in ("waiting", "running", "terminated"):
        word = name if isinstance(state.get(name), dict) else word
    waiting = part(state, "waiting")
    return PodContainer(
        name=text_of(spec, "name"),
        image=text_of(spec, "image"),
        init=init,
        sidecar=init and text_of(spec, "restartPolicy") == "Always",
        state=word,
        reason=text_of(waiting, "reason"),
        message=message_of(waiting, "message"),
        ready=told.get("ready") is True,
        restarts=whole(told, "restartCount"),
        started=moment_of(state, "running", "startedAt"),
        end=_end(part(state, "terminated")),
        last_end=_end(part(told, "lastState", "terminated")),
        requests=amounts(spec, "resources", "requests"),
        limits=amounts(spec, "resources", "limits"),
    )


def _end(found: Mapping[str, Any]) -> ContainerEnd | None:
    if not found:
        return None
    return ContainerEnd(
        text_of(found, "reason"), whole(found, "exitCode"), whole(found, "signal") or None,
        message_of(found, "message"), moment_of(found, "finishedAt"),
    )  # fmt: skip


def pod_status(
    document: Mapping[str, Any], containers: Sequence[PodContainer], conditions: Sequence[ObjectCondition]
) -> str:
    """Return what ``kubectl get pods`` shows as STATUS; the server makes it of the same fields in the same order."""
    status = part(document, "status")
    phase, why = text_of(status, "phase"), text_of(status, "reason")
    shown = why or phase
    if any(each.type == "PodScheduled" and each.reason == "SchedulingGated" for each in conditions):
        shown = "SchedulingGated"
    begun = _initializing(containers)
    if begun is None or any(each.type == "Initialized" and each.status == "True" for each in conditions):
        running = False
        for each in reversed([each for each in containers if not each.init]):
            if each.state == "waiting" and each.reason:
                shown = each.reason
            elif each.end is not None:
                shown = _ending_text(each.end)
            elif each.ready and each.state == "running":
                running = True
        if shown == "Completed" and running:
            ready = any(each.type == "Ready" and each.status == "True" for each in conditions)
            shown = "Running" if ready else "NotReady"
    else:
        shown = begun
    if moment_of(document, "metadata", "deletionTimestamp") is not None:
        if why == "NodeLost":
            return "Unknown"
        if phase not in ("Succeeded", "Failed"):
            return "Terminating"
    return shown or "Unknown"


def _initializing(containers: Sequence[PodContainer]) -> str | None:
    """What STATUS says of the first init container that has not done its work; None if all have."""
    inits = [each for each in containers if each.init]
    for number, each in enumerate(inits):
        if (each.end is not None and each.end.exit_code == 0) or (each.sidecar and each.state == "running"):
            continue
        if each.end is not None:
            return f"Init:{_ending_text(each.end)}"
        if each.state == "waiting" and each.reason not in ("", "PodInitializing"):
            return f"Init:{each.reason}"
        return f"Init:{number}/{len(inits)}"
    return None


def _ending_text(end: ContainerEnd) -> str:
    return end.reason or (f"Signal:{end.signal}" if end.signal else f"ExitCode:{end.exit_code}")


def node_of(document: Mapping[str, Any]) -> ClusterNode:
    """Return the node that a document is."""
    conditions = conditions_of(document)
    addresses = {text_of(each, "type"): text_of(each, "address") for each in parts(document, "status", "addresses")}
    labels = part(document, "metadata", "labels")
    return ClusterNode(
        name=text_of(document, "metadata", "name"),
        ready=any(each.type == "Ready" and each.status == "True" for each in conditions),
        conditions=conditions,
        cordoned=part(document, "spec").get("unschedulable") is True,
        roles=tuple(sorted(key.removeprefix(_ROLE) for key in labels if key.startswith(_ROLE))),
        capacity=amounts(document, "status", "capacity"),
        allocatable=amounts(document, "status", "allocatable"),
        pods_limit=int(quantity(part(document, "status", "allocatable").get("pods")) or 0),
        version=text_of(document, "status", "nodeInfo", "kubeletVersion"),
        address=addresses.get("InternalIP", ""),
        created=moment_of(document, "metadata", "creationTimestamp"),
    )


Usages = Mapping[tuple[str, str, str], ComputeAmounts]
"""What a container uses, by the namespace and name of its pod and its own name; what a node does, by its name alone."""


def usages_of(documents: Iterable[Mapping[str, Any]]) -> Usages:
    """Return what is used, of the objects of ``metrics.k8s.io``."""
    found: dict[tuple[str, str, str], ComputeAmounts] = {}
    for each in documents:
        namespace, name = text_of(each, "metadata", "namespace"), text_of(each, "metadata", "name")
        for container in parts(each, "containers"):
            found[namespace, name, text_of(container, "name")] = amounts(container, "usage")
        if not namespace:
            found["", name, ""] = amounts(each, "usage")
    return found


def with_usages(objects: ClusterObjects, usages: Usages) -> ClusterObjects:
    """Return the objects with what they use."""

    def used(pod: Pod) -> Pod:
        known = [usages.get((pod.namespace, pod.name, each.name)) for each in pod.containers]
        if not any(known):
            return pod
        return replace(pod, containers=tuple(
            each if usage is None else replace(each, usage=usage)
            for each, usage in zip(pod.containers, known, strict=True)
        ))  # fmt: skip

    nodes = (replace(each, usage=usages.get(("", each.name, ""), ComputeAmounts())) for each in objects.nodes)
    return replace(objects, pods=tuple(map(used, objects.pods)), nodes=tuple(nodes))


def event_of(document: Mapping[str, Any]) -> ClusterEvent:
    """Return the event that a document is (``v1`` or ``events.k8s.io/v1``)."""
    about = part(document, "involvedObject") or part(document, "regarding")
    seen = (
        moment_of(document, "series", "lastObservedTime")
        or moment_of(document, "lastTimestamp")
        or moment_of(document, "eventTime")
        or moment_of(document, "metadata", "creationTimestamp")
    )
    return ClusterEvent(
        namespace=text_of(about, "namespace") or text_of(document, "metadata", "namespace"),
        kind=text_of(about, "kind"),
        name=text_of(about, "name"),
        type=text_of(document, "type"),
        reason=text_of(document, "reason"),
        message=message_of(document, "message") or message_of(document, "note"),
        count=whole(document, "series", "count") or whole(document, "count", default=1),
        last_seen=seen,
    )
