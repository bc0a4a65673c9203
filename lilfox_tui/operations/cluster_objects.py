"""What operations on a cluster read of its objects: how far a rollout is, the revisions that a workload can return to,
and what draining a node does to its pods.

As ``kubectl rollout status``, ``rollout undo`` and ``drain`` judge them (k8s.io/kubectl: polymorphichelpers,
drain/filters.go); disruption budgets as the Eviction API reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import Struct

from lilfox_tui.clusters.kubectl import Kubectl
from lilfox_tui.clusters.model import WORKLOAD_KINDS
from lilfox_tui.clusters.objects import CHANGE_CAUSE, RESTARTED_AT, REVISION, moment_of, part, parts, text_of, whole
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, _, listed, ngettext, tr

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}")
_NOT_TOLD = frozenset({
    "pod-template-hash", "controller-revision-hash", RESTARTED_AT, "creationTimestamp", "$patch",
    "image",
})  # fmt: skip
"""What differs of each template, or is told apart."""
_DEPTH = 3
_DEADLINE = "ProgressDeadlineExceeded"
_DEADLINE_S = 600
"""Without one of its own (progressDeadlineSeconds), a rollout may be without progress for so long."""
_NO_DEADLINE = 2**31 - 1


def wanted_replicas(workload: Mapping[str, Any]) -> int:
    """How many pods a workload should have; one where it does not say."""
    if workload.get("kind") == "DaemonSet":
        return whole(workload, "status", "desiredNumberScheduled")
    return whole(workload, "spec", "replicas", default=1)


# How far a rollout is.


class RolloutState(Struct, frozen=True):
    """How far the rollout of a workload is. ``failure`` is empty unless Kubernetes has given it up."""

    done: bool
    text: str
    failure: str = ""


def rollout_state(workload: Mapping[str, Any]) -> RolloutState:
    """How far the rollout of a Deployment, StatefulSet or DaemonSet is."""
    if whole(workload, "metadata", "generation") > whole(workload, "status", "observedGeneration"):
        return RolloutState(done=False, text=_("Kubernetes has not seen the change yet"))
    wanted = wanted_replicas(workload)
    kind = workload.get("kind")
    if kind == "Deployment":
        return _of_deployment(workload, wanted)
    if kind == "StatefulSet":
        return _of_stateful_set(workload, wanted)
    updated = whole(workload, "status", "updatedNumberScheduled")
    return _counted(wanted, updated, whole(workload, "status", "numberAvailable"))


def _of_deployment(workload: Mapping[str, Any], wanted: int) -> RolloutState:
    status = workload.get("status")
    updated, available = whole(status, "updatedReplicas"), whole(status, "availableReplicas")
    state = _counted(wanted, updated, available, old=whole(status, "replicas") - updated)
    if not state.done and condition(workload, "Progressing").get("reason") == _DEADLINE:
        seconds = whole(workload, "spec", "progressDeadlineSeconds") or _DEADLINE_S
        failure = _("no progress within {seconds} s (progress deadline): {state}", seconds=seconds, state=state.text)
        return RolloutState(done=False, text=state.text, failure=failure)
    return state


def _of_stateful_set(workload: Mapping[str, Any], wanted: int) -> RolloutState:
    status = workload.get("status")
    kept = whole(workload, "spec", "updateStrategy", "rollingUpdate", "partition")
    updated, ready = whole(status, "updatedReplicas"), whole(status, "readyReplicas")
    if kept:
        return _counted(wanted, min(wanted, updated + min(kept, wanted)), ready)
    if text_of(status, "updateRevision") != text_of(status, "currentRevision"):
        return RolloutState(done=False, text=_counted(wanted, updated, ready).text)
    return _counted(wanted, wanted, ready)


def _counted(wanted: int, updated: int, available: int, old: int = 0) -> RolloutState:
    text = _(
        "{updated} of {wanted} updated, {available} available", updated=updated, wanted=wanted, available=available
    )
    if old > 0:
        left = ngettext("{count} old pod remains", "{count} old pods remain", old)
        return RolloutState(done=False, text=f"{text}, {left}")
    return RolloutState(done=updated >= wanted and available >= wanted, text=text)


def condition(workload: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """The condition of that type; empty if the object has none."""
    return next((each for each in parts(workload, "status", "conditions") if each.get("type") == kind), {})


def patience_s(workload: Mapping[str, Any]) -> float:
    """So long a rollout may be without progress before Kubernetes gives it up, or before we do where it never does."""
    own = whole(workload, "spec", "progressDeadlineSeconds")
    return float(own if 0 < own < _NO_DEADLINE else _DEADLINE_S)


def why_no_rollout(workload: Mapping[str, Any]) -> Message | None:
    """Why a changed pod template does not reach the pods of a workload: it is paused, or replaces no pod itself."""
    if part(workload, "spec").get("paused") is True:
        return tr("its rollout is paused: resume it first")
    if text_of(workload, "spec", "updateStrategy", "type") == "OnDelete":
        return tr("its update strategy is OnDelete: each of its pods is replaced only when it is deleted")
    return None


# Revisions of a workload.


class RolloutRevision(Struct, frozen=True, kw_only=True):
    """A pod template that a workload had, and can have again. ``present``: it is the one of now."""

    number: int
    name: str
    """Of the ReplicaSet or ControllerRevision that has it."""
    present: bool
    images: tuple[tuple[str, str], ...]
    """By container."""
    cause: str = ""
    created: datetime | None = None
    replicas: int = 0
    """How many pods of it there are, where that is known."""
    template: Mapping[str, Any] = {}


def revisions_of(workload: Mapping[str, Any], owned: Sequence[Mapping[str, Any]]) -> tuple[RolloutRevision, ...]:
    """The revisions of a workload, newest first. ``owned``: ReplicaSets for a Deployment, else ControllerRevisions;
    those of other workloads are left out."""
    uid = text_of(workload, "metadata", "uid")
    mine = [each for each in owned if uid and controller_of(each)[2] == uid]
    if workload.get("kind") == "Deployment":
        present = text_of(workload, "metadata", "annotations", REVISION)
        found = [_of_replica_set(each, present) for each in mine]
    else:
        newest = max((whole(each, "revision") for each in mine), default=0)
        found = [_of_controller_revision(each, workload, newest) for each in mine]
    return tuple(sorted((each for each in found if each.number > 0), key=lambda each: -each.number))


def _of_replica_set(replica_set: Mapping[str, Any], present: str) -> RolloutRevision:
    number = text_of(replica_set, "metadata", "annotations", REVISION)
    return _revision(
        replica_set,
        int(number) if number.isdecimal() and len(number) < 10 else 0,
        number == present,
        part(replica_set, "spec", "template"),
        whole(replica_set, "status", "replicas"),
    )


def _of_controller_revision(revision: Mapping[str, Any], workload: Mapping[str, Any], newest: int) -> RolloutRevision:
    number, updating = whole(revision, "revision"), text_of(workload, "status", "updateRevision")
    name = text_of(revision, "metadata", "name")
    present = name == updating if updating else number == newest
    return _revision(revision, number, present, part(revision, "data", "spec", "template"), 0)


def _revision(owner: Mapping[str, Any], number: int, present: bool, template: Any, replicas: int) -> RolloutRevision:
    return RolloutRevision(
        number=number,
        name=text_of(owner, "metadata", "name"),
        present=present,
        images=template_images(template),
        cause=text_of(owner, "metadata", "annotations", CHANGE_CAUSE),
        created=moment_of(owner, "metadata", "creationTimestamp"),
        replicas=replicas,
        template=template,
    )


def template_images(template: Any) -> tuple[tuple[str, str], ...]:
    """The images of a pod template by container, those of init containers first."""
    every = (*parts(template, "spec", "initContainers"), *parts(template, "spec", "containers"))
    return tuple((text_of(each, "name"), text_of(each, "image")) for each in every)


def image_changes(before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What changes of the images, a line for each container that differs."""
    old, new = dict(before), dict(after)
    lines = []
    for name in {**old, **new}:
        if name not in new:
            lines.append(_("container {name} ({image}) is removed", name=name, image=old[name]))
        elif name not in old:
            lines.append(_("container {name} ({image}) is added", name=name, image=new[name]))
        elif old[name] != new[name]:
            lines.append(_("image of {name}: {old} → {new}", name=name, old=old[name], new=new[name]))
    return tuple(lines)


def other_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of what else differs between two pod templates, without values, which may be secret."""
    return tuple(dict.fromkeys(_differing(before, after, ())))


def _differing(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[str]:
    if before == after or (path and path[-1] in _NOT_TOLD):
        return
    if path and path[-1] in ("containers", "initContainers"):
        old, new = ({text_of(each, "name"): each for each in parts({"": listed}, "")} for listed in (before, after))
        for name in (each for each in old if each in new):
            yield from _differing(old[name], new[name], (*path[:-1], f"{path[-1]}[{name}]"))
    elif len(path) < _DEPTH and _is_mapping(before) and _is_mapping(after):
        for name in {**(before or {}), **(after or {})}:
            yield from _differing(part(before).get(name), part(after).get(name), (*path, name))
    else:
        yield ".".join(path)


def _is_mapping(node: Any) -> bool:
    return node is None or isinstance(node, Mapping)


# What a drain does.


_MIRROR = "kubernetes.io/config.mirror"
_HAS_ENDED = ("Succeeded", "Failed")

Obstacle = Literal["no controller", "emptyDir", "budget"]
"""``no controller`` and ``emptyDir`` keep kubectl from evicting anything unless it is told otherwise; a ``budget`` is
waited for."""


class DrainObstacle(Struct, frozen=True):
    """What keeps a pod on its node, or what is lost with it."""

    kind: Obstacle
    namespace: str
    pod: str
    text: Message


class DrainPlan(Struct, frozen=True, kw_only=True):
    """What draining a node does. Pods are named ``namespace/name``."""

    node: str
    evicted: tuple[str, ...]
    stay: tuple[str, ...]
    """Pods of DaemonSets and of the node itself."""
    obstacles: tuple[DrainObstacle, ...] = ()
    cordoned: bool = False
    """It accepts no new pods already."""
    others: int = 0
    """How many other nodes are ready and accept pods."""

    def of(self, *kinds: Obstacle) -> tuple[DrainObstacle, ...]:
        """The obstacles of these kinds."""
        return tuple(each for each in self.obstacles if each.kind in kinds)


def drain_plan(
    node: str, nodes: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]],
    budgets: Sequence[Mapping[str, Any]],
) -> DrainPlan:  # fmt: skip
    """What draining ``node`` does to ``pods``, of which those on other nodes are left out."""
    here = [each for each in pods if text_of(each, "spec", "nodeName") == node]
    stay = [each for each in here if _stays(each)]
    evicted = [each for each in here if not _stays(each)]
    mine = next((each for each in nodes if text_of(each, "metadata", "name") == node), {})
    others = [each for each in nodes if text_of(each, "metadata", "name") != node and accepts_pods(each)]
    return DrainPlan(
        node=node,
        evicted=tuple(map(named, evicted)),
        stay=tuple(map(named, stay)),
        obstacles=tuple(found for each in evicted for found in _obstacles(each, budgets)),
        cordoned=part(mine, "spec").get("unschedulable") is True,
        others=len(others),
    )


def accepts_pods(node: Mapping[str, Any]) -> bool:
    """Whether a node is ready and not cordoned."""
    return part(node, "spec").get("unschedulable") is not True and condition(node, "Ready").get("status") == "True"


def named(thing: Mapping[str, Any]) -> str:
    """``namespace/name`` of an object."""
    return f"{text_of(thing, 'metadata', 'namespace')}/{text_of(thing, 'metadata', 'name')}"


def controller_of(thing: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, name and uid of the controller of an object; empty if it has none."""
    for each in parts(thing, "metadata", "ownerReferences"):
        if each.get("controller") is True:
            return text_of(each, "kind"), text_of(each, "name"), text_of(each, "uid")
    return "", "", ""


def _stays(pod: Mapping[str, Any]) -> bool:
    if _MIRROR in part(pod, "metadata", "annotations"):
        return True
    return controller_of(pod)[0] == "DaemonSet" and not _has_ended(pod)


def _has_ended(pod: Mapping[str, Any]) -> bool:
    return text_of(pod, "status", "phase") in _HAS_ENDED


def _obstacles(pod: Mapping[str, Any], budgets: Sequence[Mapping[str, Any]]) -> list[DrainObstacle]:
    if _has_ended(pod):
        return []
    namespace, name = text_of(pod, "metadata", "namespace"), text_of(pod, "metadata", "name")
    found: list[DrainObstacle] = []

    def add(kind: Obstacle, text: Message) -> None:
        found.append(DrainObstacle(kind, namespace, name, text))

    if not controller_of(pod)[0]:
        add("no controller", tr("{pod} has no controller: once evicted, it does not come back", pod=named(pod)))
    if any("emptyDir" in each for each in parts(pod, "spec", "volumes")):
        add("emptyDir", tr("{pod} has an emptyDir volume: its data is lost with the pod", pod=named(pod)))
    for budget in budgets:
        if selects(budget, pod) and whole(budget, "status", "disruptionsAllowed") < 1:
            add("budget", tr("PodDisruptionBudget {budget} allows no eviction of {pod} now ({healthy} healthy, "
                             "{wanted} wanted)",
                             budget=text_of(budget, "metadata", "name"), pod=named(pod),
                             healthy=whole(budget, "status", "currentHealthy"),
                             wanted=whole(budget, "status", "desiredHealthy")))  # fmt: skip
    return found


def selects(budget: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether a disruption budget is about a pod. One without a selector is about none, an empty selector about all
    (policy/v1)."""
    if text_of(budget, "metadata", "namespace") != text_of(pod, "metadata", "namespace"):
        return False
    selector, labels = part(budget, "spec").get("selector"), part(pod, "metadata", "labels")
    if not isinstance(selector, Mapping):
        return False
    wanted = part(selector, "matchLabels")
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        _expressed(each, labels) for each in parts(selector, "matchExpressions")
    )


def _expressed(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, operator = text_of(expression, "key"), text_of(expression, "operator")
    values = expression.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    return key not in labels


def manager_of(thing: Mapping[str, Any]) -> str:
    """What writes an object, and undoes changes to it alone; empty if nothing is known to."""
    labels, notes = part(thing, "metadata", "labels"), part(thing, "metadata", "annotations")
    kind, name, _uid = controller_of(thing)
    if kind:
        return f"{kind}/{name}"
    if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
        return "Flux"
    if "argocd.argoproj.io/tracking-id" in notes:
        return "Argo CD"
    return "Helm" if labels.get("app.kubernetes.io/managed-by") == "Helm" else ""


# What the cluster has.


async def read_object(kubectl: Kubectl, resource: str, namespace: str | None) -> dict[str, Any] | None:
    """Return an object (``deployment/web``); None if there is none. Raises ClusterError, HostError."""
    done = await kubectl.run("get", resource, "--ignore-not-found", "--output=json", namespace=namespace)
    if not done.stdout.strip():
        return None
    return kubectl.decoded(done.stdout)


async def read_workload(kubectl: Kubectl, kind: str, namespace: str, name: str) -> dict[str, Any]:
    """Return a workload. Raises UsageError if there is none, ClusterError, HostError."""
    known = {each.lower(): each for each in WORKLOAD_KINDS}
    if kind.lower() not in known:
        raise UsageError(
            tr("{kind} is not a kind of workload", kind=kind), tr("one of: {names}", names=listed(sorted(known)))
        )
    resource = f"{kind.lower()}/{checked_name(name)}"
    found = await read_object(kubectl, resource, checked_name(namespace))
    if found is None:
        raise UsageError(
            tr("there is no {resource} in namespace {namespace} of {context}", resource=resource, namespace=namespace,
               context=kubectl.context),
            tr("List what there is: lilfox cluster list"),
        )  # fmt: skip
    return {**found, "kind": known[kind.lower()]}


async def read_revisions(kubectl: Kubectl, workload: Mapping[str, Any]) -> tuple[RolloutRevision, ...]:
    """Return the revisions that a workload had and has, newest first. Raises ClusterError, HostError."""
    kinds = "replicasets.apps" if workload.get("kind") == "Deployment" else "controllerrevisions.apps"
    owned = await kubectl.get([kinds], text_of(workload, "metadata", "namespace"))
    return revisions_of(workload, owned)


async def read_drain(kubectl: Kubectl, node: str) -> DrainPlan:
    """Return what draining a node would do now. Raises UsageError if there is no such node, ClusterError,
    HostError."""
    checked_name(node)
    listed_all = await kubectl.list_objects(["nodes", "pods", "poddisruptionbudgets.policy"], None, partly=False)
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for each in listed_all.items:
        by_kind.setdefault(text_of(each, "kind"), []).append(each)
    nodes = by_kind.get("Node", [])
    if all(text_of(each, "metadata", "name") != node for each in nodes):
        raise no_node(kubectl, node)
    return drain_plan(node, nodes, by_kind.get("Pod", []), by_kind.get("PodDisruptionBudget", []))


def no_node(kubectl: Kubectl, node: str) -> UsageError:
    return UsageError(
        tr("{context} has no node {node}", context=kubectl.context, node=node),
        tr("List what there is: lilfox cluster list"),
    )


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(tr("{name} is not a name of Kubernetes", name=name[:80]))
    return name
