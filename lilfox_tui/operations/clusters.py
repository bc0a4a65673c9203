"""Operations on Kubernetes clusters, by kubectl on the host that is asked: restart, update and undo of a rollout,
scale, pause and resume, cordon and drain of nodes, deletion of a pod.

Each is made of what the cluster has at that moment, names its context, and says how it is taken back.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from lilfox_tui.clusters.kubectl import REQUEST_S, ClusterError, KubeContext, Kubectl
from lilfox_tui.clusters.model import WORKLOAD_KINDS, is_production
from lilfox_tui.clusters.objects import part, parts, text_of, whole
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, _, clauses, listed, ngettext, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.operations.cluster_objects import (
    DrainObstacle,
    DrainPlan,
    RolloutRevision,
    checked_name,
    controller_of,
    image_changes,
    manager_of,
    no_node,
    other_changes,
    read_drain,
    read_object,
    read_revisions,
    read_workload,
    rollout_state,
    template_images,
    wanted_replicas,
    why_no_rollout,
)
from lilfox_tui.operations.model import Kind, Operation

HERE = "localhost"
MOST_REPLICAS = 10_000
DRAIN_S = 300.0
"""So long kubectl waits for the pods of a node to be gone."""
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,510}")
_NAMED = 12
"""So many pods are named of many."""

RolloutVerb = Literal["restart", "pause", "resume"]
NodeVerb = Literal["cordon", "uncordon"]


class ClusterPlace(Struct, frozen=True):
    """A cluster that can be changed, and the context that leads to it. ``host``: as jobs call the host whose kubectl is
    asked."""

    kubectl: Kubectl
    host: str
    context: KubeContext

    @property
    def production(self) -> bool:
        """Whether people depend on it."""
        return is_production(self.context.name, self.kubectl.config.production)


async def cluster_place(config: Config, kubectl: Kubectl) -> ClusterPlace:
    """Return the place of a cluster of the configuration. Raises ClusterError, HostError."""
    return ClusterPlace(kubectl, job_host(config, kubectl.name), await kubectl.resolve())


class ClusterTarget(Struct, frozen=True):
    """The object that an operation is about: a workload, a pod or a node. Another one of the same name is left
    alone."""

    kind: str
    namespace: str
    name: str
    uid: str

    @property
    def resource(self) -> str:
        """As kubectl names it."""
        return f"{self.kind.lower()}/{self.name}"


class ClusterChange(Struct, frozen=True, kw_only=True):
    """An operation on a cluster, and what was found when it was shown: it is made only where that still holds."""

    cluster: str
    context: str
    server: str
    target: ClusterTarget
    operation: Operation
    generation: int = 0
    """Of the target."""
    replicas: int | None = None
    """How many a workload is to have."""
    revision: int | None = None
    """The revision that it returns to, and the name of the object that has it."""
    revision_name: str = ""
    images: tuple[tuple[str, str], ...] = ()
    """The images that a workload is to have, by container."""
    owner: str = ""
    """The workload that makes a pod anew (``deployment/web``)."""
    obstacles: tuple[str, ...] = ()
    """Pods that are evicted although they are lost, or their data is."""


def job_host(config: Config, cluster: str) -> str:
    """Return the name under which a job finds the host whose kubectl is asked."""
    named = config.clusters[cluster].from_
    if named is not None:
        return named
    return next((name for name, host in config.hosts.items() if host.local), HERE)


# Rollouts.


async def rollout_change(place: ClusterPlace, verb: RolloutVerb, kind: str, namespace: str, name: str) -> ClusterChange:
    """Return the operation that restarts a workload pod by pod, or pauses or resumes the rollout of a Deployment.
    Raises UsageError, NotAllowed, ClusterError, HostError."""
    workload = await read_workload(place.kubectl, kind, namespace, name)
    resource, context = _resource(workload), place.context.name
    paused = part(workload, "spec").get("paused") is True
    words = {"resource": resource, "namespace": namespace, "context": context}
    undo: tuple[str, ...] = ()
    if verb == "restart":
        _refuse_no_rollout(workload)
        title = _("restart {resource} in {namespace} on {context}", **words)
        changes = [*_replacing(workload), *_now(workload)]
    else:
        if workload["kind"] != "Deployment":
            raise UsageError(tr("{resource} cannot be paused: only a Deployment can", resource=resource))
        if paused is (verb == "pause"):
            raise UsageError(
                tr("the rollout of {resource} is paused already", resource=resource)
                if paused
                else tr("the rollout of {resource} is not paused", resource=resource)
            )
        if verb == "pause":
            title = _("pause the rollout of {resource} in {namespace} on {context}", **words)
            changes = [_("changes of its pod template reach no pod until it is resumed"), *_now(workload)]
        else:
            title = _("resume the rollout of {resource} in {namespace} on {context}", **words)
            changes = [_("changes made meanwhile reach its pods now"), *_now(workload)]
        undo = _argv(place, namespace, "rollout", "resume" if verb == "pause" else "pause", resource)
    return _change(
        place,
        workload,
        _KINDS[verb],
        _argv(place, namespace, "rollout", verb, resource),
        title,
        changes,
        undo=undo,
    )


async def undo_change(place: ClusterPlace, kind: str, namespace: str, name: str, revision: int) -> ClusterChange:
    """Return the operation that lets a workload return to an earlier revision. Raises UsageError if it does not have
    that one, or has it now; NotAllowed, ClusterError, HostError."""
    workload = await read_workload(place.kubectl, kind, namespace, name)
    _refuse_no_rollout(workload)
    resource = _resource(workload)
    revisions = await read_revisions(place.kubectl, workload)
    wanted = next((each for each in revisions if each.number == revision), None)
    present = next((each for each in revisions if each.present), None)
    if wanted is None:
        raise UsageError(
            tr("{resource} has no revision {number}", resource=resource, number=revision),
            tr("one of: {names}", names=listed([str(each.number) for each in revisions if not each.present]) or "-"),
        )
    if wanted.present:
        raise UsageError(tr("{resource} has revision {number} now", resource=resource, number=revision))
    before = template_images(part(workload, "spec", "template"))
    changes = list(image_changes(before, wanted.images)) or [_("the images stay as they are")]
    if present is not None and (others := other_changes(present.template, wanted.template)):
        changes.append(_("also changed: {fields}", fields=clauses(others[:_NAMED])))
    if wanted.cause:
        changes.append(_("cause of revision {number}: {cause}", number=revision, cause=wanted.cause))
    made = _change(
        place,
        workload,
        "undo rollout",
        _argv(place, namespace, "rollout", "undo", resource, f"--to-revision={revision}"),
        _("return {resource} in {namespace} on {context} to revision {number}", resource=resource,
          namespace=namespace, context=place.context.name, number=revision),
        [*changes, *_replacing(workload), *_managed(workload), *_now(workload)],
        undo=_back_to(place, namespace, resource, present),
    )  # fmt: skip
    return msgspec.structs.replace(made, revision=revision, revision_name=wanted.name, images=wanted.images)


async def image_change(
    place: ClusterPlace, kind: str, namespace: str, name: str, image: str, container: str = ""
) -> ClusterChange:
    """Return the operation that gives a container of a workload another image; ``container`` may be left out where
    there is only one. Raises UsageError, NotAllowed, ClusterError, HostError."""
    workload = await read_workload(place.kubectl, kind, namespace, name)
    _refuse_no_rollout(workload)
    resource = _resource(workload)
    template = part(workload, "spec", "template")
    images = template_images(template)
    own = [text_of(each, "name") for each in parts(template, "spec", "containers")]
    if not _IMAGE.fullmatch(image):
        raise UsageError(tr("{image} is not the name of an image", image=image[:80]))
    if not container and len(own) != 1:
        raise UsageError(
            tr("{resource} has several containers", resource=resource), tr("one of: {names}", names=listed(own))
        )
    chosen = container or own[0]
    if chosen not in dict(images):
        raise UsageError(
            tr("{resource} has no container {name}", resource=resource, name=chosen),
            tr("one of: {names}", names=listed([each for each, _image in images])),
        )
    after = tuple((each, image if each == chosen else old) for each, old in images)
    changes = image_changes(images, after)
    if not changes:
        raise UsageError(tr("{name} of {resource} has the image {image} now", name=chosen, resource=resource,
                            image=image))  # fmt: skip
    present = next((each for each in await read_revisions(place.kubectl, workload) if each.present), None)
    made = _change(
        place,
        workload,
        "set image",
        _argv(place, namespace, "set", "image", resource, f"{chosen}={image}"),
        _("update {resource} in {namespace} on {context} to {image}", resource=resource, namespace=namespace,
          context=place.context.name, image=image),
        [*changes, *_untagged(image), *_replacing(workload), *_managed(workload), *_now(workload)],
        undo=_back_to(place, namespace, resource, present),
    )  # fmt: skip
    return msgspec.structs.replace(made, images=after)


def _untagged(image: str) -> list[str]:
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@" in image or tag not in ("", "latest"):
        return []
    return [_("the tag latest does not tell what runs: undo may bring back the same image")]


def _back_to(place: ClusterPlace, namespace: str, resource: str, present: RolloutRevision | None) -> tuple[str, ...]:
    if present is None:
        return ()
    return _argv(place, namespace, "rollout", "undo", resource, f"--to-revision={present.number}")


def _refuse_no_rollout(workload: Mapping[str, Any]) -> None:
    """Raise NotAllowed if a change of the pod template would reach no pod."""
    if (why := why_no_rollout(workload)) is not None:
        raise NotAllowed(tr("{resource}: nothing was changed: {why}", resource=_resource(workload), why=why))


def _replacing(workload: Mapping[str, Any]) -> list[str]:
    """How its pods are replaced."""
    wanted = wanted_replicas(workload)
    if text_of(workload, "spec", "strategy", "type") == "Recreate":
        return [_("all of its pods end before new ones start: it is down meanwhile")]
    return [
        ngettext(
            "its {count} pod is replaced as its update strategy allows",
            "its {count} pods are replaced one after another, as its update strategy allows",
            wanted,
        )
    ]


def _now(workload: Mapping[str, Any]) -> list[str]:
    """A warning where a rollout is under way, or has not come to its end."""
    state = rollout_state(workload)
    return [] if state.done else [_("it is not rolled out now: {state}", state=state.failure or state.text)]


def _managed(workload: Mapping[str, Any]) -> list[str]:
    """Who would undo a change to the object alone."""
    manager = manager_of(workload)
    return [_("{manager} manages it and may change it back", manager=manager)] if manager else []


# The number of pods.


async def scale_change(place: ClusterPlace, kind: str, namespace: str, name: str, replicas: int) -> ClusterChange:
    """Return the operation that changes how many pods a Deployment or StatefulSet has. Raises UsageError for a
    DaemonSet and for the number that it has, ClusterError, HostError."""
    if not 0 <= replicas <= MOST_REPLICAS:
        raise UsageError(tr("the number of pods must be between 0 and {most}", most=MOST_REPLICAS))
    workload = await read_workload(place.kubectl, kind, namespace, name)
    resource, before = _resource(workload), wanted_replicas(workload)
    if workload["kind"] == "DaemonSet":
        raise UsageError(tr("{resource} cannot be scaled: a DaemonSet has one pod on each node", resource=resource))
    if before == replicas:
        raise UsageError(tr("{resource} is scaled to {count} now", resource=resource, count=replicas))
    changes = [_("pods: {before} → {after}", before=before, after=replicas)]
    if replicas == 0:
        changes.append(_("it is down until it is scaled up again"))
    changes += [*await _scalers(place.kubectl, workload), *_managed(workload), *_now(workload)]

    def argv(start: int, end: int) -> tuple[str, ...]:
        return _argv(place, namespace, "scale", resource, f"--current-replicas={start}", f"--replicas={end}")

    made = _change(
        place,
        workload,
        "scale workload",
        argv(before, replicas),
        _("scale {resource} in {namespace} on {context} from {before} to {after}", resource=resource,
          namespace=namespace, context=place.context.name, before=before, after=replicas),
        changes,
        undo=argv(replicas, before),
        takes_down=replicas == 0,
    )  # fmt: skip
    return msgspec.structs.replace(made, replicas=replicas)


async def _scalers(kubectl: Kubectl, workload: Mapping[str, Any]) -> list[str]:
    """The HorizontalPodAutoscalers that set the number of its pods themselves."""
    name, namespace = text_of(workload, "metadata", "name"), text_of(workload, "metadata", "namespace")
    try:
        found = await kubectl.get(["horizontalpodautoscalers.autoscaling"], namespace)
    except ClusterError as error:
        return [_("whether a HorizontalPodAutoscaler sets the number is unknown: {reason}", reason=error.message)]
    return [
        _(
            "HorizontalPodAutoscaler {name} keeps it between {least} and {most} and may change it back",
            name=text_of(each, "metadata", "name"),
            least=whole(each, "spec", "minReplicas", default=1),
            most=whole(each, "spec", "maxReplicas"),
        )
        for each in found
        if text_of(each, "spec", "scaleTargetRef", "kind") == workload["kind"]
        and text_of(each, "spec", "scaleTargetRef", "name") == name
    ]


# Nodes and pods.


async def node_change(place: ClusterPlace, verb: NodeVerb, node: str) -> ClusterChange:
    """Return the operation that lets a node accept no new pods (cordon), or new ones again. Raises UsageError,
    ClusterError, HostError."""
    found = await _node(place.kubectl, node)
    if (part(found, "spec").get("unschedulable") is True) is (verb == "cordon"):
        raise UsageError(
            tr("node {node} is cordoned already", node=node)
            if verb == "cordon"
            else tr("node {node} is not cordoned", node=node)
        )
    other = "uncordon" if verb == "cordon" else "cordon"
    words = {"node": node, "context": place.context.name}
    return _change(
        place,
        found,
        verb,
        _argv(place, None, verb, node),
        _("cordon node {node} of {context}", **words)
        if verb == "cordon"
        else _("uncordon node {node} of {context}", **words),
        [
            _("new pods are not scheduled on it; those that it has stay")
            if verb == "cordon"
            else _("new pods are scheduled on it again; pods that have moved do not return by themselves")
        ],
        undo=_argv(place, None, other, node),
    )


async def drain_change(
    place: ClusterPlace, node: str, *, timeout_s: float = DRAIN_S, lose: bool = False
) -> ClusterChange:
    """Return the operation that cordons a node and evicts its pods. ``lose``: also pods that do not come back, and
    data in emptyDir volumes. Raises NotAllowed with what is in the way, UsageError, ClusterError, HostError."""
    plan = await read_drain(place.kubectl, node)
    lost = plan.of("no controller", "emptyDir")
    if lost and not lose:
        raise NotAllowed(
            tr("draining {node} would lose pods or data: {what}", node=node, what=clauses(map(str, _texts(lost)))),
            tr("Nothing was changed. Move them first, or allow the loss."),
        )
    argv = ["drain", node, "--ignore-daemonsets", f"--timeout={timeout_s:g}s"]
    argv += ["--force"] if plan.of("no controller") else []
    argv += ["--delete-emptydir-data"] if plan.of("emptyDir") else []
    made = _change(
        place,
        await _node(place.kubectl, node),
        "drain",
        _argv(place, None, *argv),
        _("drain node {node} of {context}", node=node, context=place.context.name),
        _drained(plan, timeout_s),
        undo=() if plan.cordoned else _argv(place, None, "uncordon", node),
        takes_down=True,
    )
    return msgspec.structs.replace(made, obstacles=tuple(map(obstacle_key, lost)))


def obstacle_key(obstacle: DrainObstacle) -> str:
    """The pod and what is lost with it."""
    return f"{obstacle.namespace}/{obstacle.pod} {obstacle.kind}"


def _drained(plan: DrainPlan, timeout_s: float) -> list[str]:
    """What draining does, in sentences."""
    changes = [_("new pods are not scheduled on {node}", node=plan.node)]
    count = len(plan.evicted)
    names = clauses(plan.evicted[:_NAMED]) + (" …" if count > _NAMED else "")
    changes.append(
        ngettext("{count} pod is evicted: {names}", "{count} pods are evicted: {names}", count, names=names)
        if count
        else _("no pod is evicted")
    )
    if plan.stay:
        changes.append(
            ngettext("{count} pod of a DaemonSet or of the node itself stays",
                     "{count} pods of DaemonSets or of the node itself stay", len(plan.stay))
        )  # fmt: skip
    changes += [str(each) for each in _texts(plan.of("no controller", "emptyDir"))]
    if held := plan.of("budget"):
        changes += [str(each) for each in _texts(held)]
        changes.append(_("kubectl tries again for {time} at most, then gives up and the node stays cordoned",
                         time=human_duration(round(timeout_s))))  # fmt: skip
    if not plan.others:
        changes.append(_("no other node is ready and accepts pods: those that are evicted do not run anywhere"))
    return changes


def _texts(obstacles: Iterable[DrainObstacle]) -> list[Message]:
    return [each.text for each in obstacles][:_NAMED]


async def _node(kubectl: Kubectl, node: str) -> dict[str, Any]:
    found = await read_object(kubectl, f"node/{checked_name(node)}", None)
    if found is None:
        raise no_node(kubectl, node)
    return {**found, "kind": "Node"}


async def pod_change(place: ClusterPlace, namespace: str, pod: str) -> ClusterChange:
    """Return the operation that deletes a pod. Raises UsageError if there is none, ClusterError, HostError."""
    found = await read_object(place.kubectl, f"pod/{checked_name(pod)}", checked_name(namespace))
    if found is None:
        raise UsageError(
            tr("there is no {resource} in namespace {namespace} of {context}", resource=f"pod/{pod}",
               namespace=namespace, context=place.context.name),
            tr("List what there is: lilfox cluster list"),
        )  # fmt: skip
    kind, owner = await _workload_of(place.kubectl, namespace, found)
    grace_s = whole(found, "spec", "terminationGracePeriodSeconds", default=30)
    changes = [_("{pod} is asked to terminate, and killed after {seconds} s", pod=pod, seconds=grace_s)]
    if kind and kind != "Node":
        changes.append(_("{owner} makes another one", owner=f"{kind}/{owner}"))
    else:
        changes.append(_("it has no controller: it does not come back"))
    made = _change(
        place,
        {**found, "kind": "Pod"},
        "delete pod",
        _argv(place, namespace, "delete", "pod", pod, "--wait=false"),
        _("delete pod {pod} in {namespace} on {context}", pod=pod, namespace=namespace, context=place.context.name),
        changes,
        takes_down=not kind,
    )
    known = kind in WORKLOAD_KINDS
    return msgspec.structs.replace(made, owner=f"{kind.lower()}/{owner}" if known else "")


async def _workload_of(kubectl: Kubectl, namespace: str, pod: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name of what controls a pod: the Deployment rather than its ReplicaSet."""
    kind, name, _uid = controller_of(pod)
    if kind == "ReplicaSet":
        replica_set = await read_object(kubectl, f"replicaset/{checked_name(name)}", namespace)
        above, above_name, _uid = controller_of(replica_set or {})
        if above == "Deployment":
            return above, above_name
    return kind, name


def exec_argv(
    place: ClusterPlace, namespace: str, pod: str, container: str = "", command: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the command that runs a program in a container, with this terminal: a shell when no ``command`` is given.
    Raises UsageError, ClusterError if the context is not resolved."""
    words = ["exec", "--stdin", "--tty", checked_name(pod)]
    words += [f"--container={checked_name(container)}"] if container else []
    program = tuple(command) or ("sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi")
    return place.kubectl.argv(*words, "--", *program, namespace=checked_name(namespace))


# Common to all.


_KINDS: Mapping[RolloutVerb, Kind] = {
    "restart": "restart workload",
    "pause": "pause rollout",
    "resume": "resume rollout",
}


def _resource(workload: Mapping[str, Any]) -> str:
    return f"{text_of(workload, 'kind').lower()}/{text_of(workload, 'metadata', 'name')}"


def _argv(place: ClusterPlace, namespace: str | None, *words: str) -> tuple[str, ...]:
    return place.kubectl.argv(f"--request-timeout={REQUEST_S}s", *words, namespace=namespace)


def _change(
    place: ClusterPlace, found: Mapping[str, Any], kind: Kind, argv: tuple[str, ...], title: str,
    changes: Sequence[str], *, undo: tuple[str, ...] = (), takes_down: bool = False,
) -> ClusterChange:  # fmt: skip
    context, metadata = place.context, part(found, "metadata")
    target = ClusterTarget(
        text_of(found, "kind"), text_of(metadata, "namespace"), text_of(metadata, "name"), text_of(metadata, "uid")
    )
    where = f"{target.namespace}/" if target.namespace else ""
    operation = Operation(
        kind=kind,
        host=place.host,
        subject=f"{target.kind.lower()} {where}{target.name} of {context.name}",
        argv=argv,
        title=title,
        changes=tuple(changes),
        undo=undo,
        confirm=context.name if takes_down or place.production else "",
    )
    return ClusterChange(
        cluster=place.kubectl.name, context=context.name, server=context.server, target=target, operation=operation,
        generation=whole(metadata, "generation"),
    )  # fmt: skip


def undo_line(operation: Operation) -> str:
    """The command that takes an operation back; empty if it has none."""
    return shlex.join(operation.undo)
