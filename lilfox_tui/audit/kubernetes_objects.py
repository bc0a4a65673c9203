"""Objects of Kubernetes as the checks judge them: workloads, their containers, what selects them, and how they are
patched. A document may be malformed everywhere: what is not as the API has it reads as missing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import yaml
from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditFinding, AuditSeverity, Fact, Fix, NotKnown
from lilfox_tui.core.i18n import Message, tr

POD_TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
"""The kinds of workloads, and where each has its pod."""
SELECTING = (
    "Service",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "CiliumNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "GlobalNetworkPolicy",
    "HorizontalPodAutoscaler",
    "VerticalPodAutoscaler",
    "ScaledObject",
    "LimitRange",
)
"""The kinds of objects that belong to the workloads of their namespace."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NO_SERVICE = ("metric", "prom", "health", "probe", "debug", "pprof", "admin", "export")
"""Parts of the names of ports at which no users ask."""


def at(node: Any, *path: str) -> Any:
    """What a document has there; None if it has nothing."""
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def mapping(node: Any, *path: str) -> dict[str, Any]:
    """The mapping that a document has there; empty if it has none."""
    found = at(node, *path)
    return found if isinstance(found, dict) else {}


def items(node: Any, *path: str) -> list[dict[str, Any]]:
    """The mappings of the list that a document has there."""
    found = at(node, *path)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def text(node: Any, *path: str) -> str:
    """The text or number that a document has there; empty if it has none."""
    found = at(node, *path)
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


class KubernetesObject(Struct, frozen=True):
    """An object of a cluster, or of the manifest ``file``. ``kubectl`` are the words that lead to its cluster.
    ``version`` is the apiVersion that its author wrote; a server converts objects. ``applied``: kubectl apply has left
    there what its author wrote."""

    document: Mapping[str, Any]
    file: str = ""
    kubectl: tuple[str, ...] = ("kubectl",)
    version: str = ""
    applied: bool = False

    @property
    def kind(self) -> str:
        """Its kind, such as Deployment."""
        return text(self.document, "kind")

    @property
    def name(self) -> str:
        """Its name; that of a generated one without what is appended."""
        return text(self.document, "metadata", "name") or text(self.document, "metadata", "generateName").rstrip("-")

    @property
    def namespace(self) -> str:
        """Its namespace; empty where a manifest has none."""
        return text(self.document, "metadata", "namespace")

    @property
    def subject(self) -> str:
        """As findings name it."""
        if self.file:
            return f"{self.file}: {self.kind}/{self.name}"
        return f"{self.namespace}/{self.kind}/{self.name}"

    @property
    def resource(self) -> str:
        """As kubectl names it."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def pod(self) -> dict[str, Any]:
        """The pod, with metadata and spec; empty for an object that makes none."""
        path = POD_TEMPLATES.get(self.kind)
        return {} if path is None else mapping(self.document, *path)

    @property
    def pod_spec(self) -> dict[str, Any]:
        """The spec of the pod."""
        return mapping(self.pod, "spec")

    @property
    def is_node_agent(self) -> bool:
        """Whether it runs on each node."""
        return self.kind == "DaemonSet"

    @property
    def runs_to_its_end(self) -> bool:
        """Whether it serves nobody."""
        return self.kind in ("Job", "CronJob")

    @property
    def is_never_away(self) -> bool:
        """Whether its author wants each pod replaced before it ends (maxUnavailable: 0)."""
        return text(self.document, "spec", "strategy", "rollingUpdate", "maxUnavailable") in ("0", "0%")

    @property
    def manager(self) -> str:
        """What writes the object, and undoes changes to it alone; empty if nothing is known to."""
        metadata = mapping(self.document, "metadata")
        labels, notes = mapping(metadata, "labels"), mapping(metadata, "annotations")
        owner = next((f"{text(each, 'kind')}/{text(each, 'name')}" for each in items(metadata, "ownerReferences")), "")
        if owner:
            return owner
        if "kustomize.toolkit.fluxcd.io/name" in labels or "helm.toolkit.fluxcd.io/name" in labels:
            return "Flux"
        if "argocd.argoproj.io/tracking-id" in notes:
            return "Argo CD"
        return "Helm" if labels.get("app.kubernetes.io/managed-by") == "Helm" else ""

    def containers(self) -> list[KubernetesContainer]:
        """The containers that run as long as the pod: not those that prepare it."""
        kept = [each for each in items(self.pod_spec, "initContainers") if each.get("restartPolicy") == "Always"]
        return [KubernetesContainer(self, each) for each in (*items(self.pod_spec, "containers"), *kept)]

    def all_containers(self) -> list[KubernetesContainer]:
        """All containers, with those that prepare the pod."""
        every = (*items(self.pod_spec, "containers"), *items(self.pod_spec, "initContainers"))
        return [KubernetesContainer(self, each) for each in every]

    def command(self, *words: str) -> str:
        """A command of kubectl in the namespace of the object."""
        return shlex.join((*self.kubectl, "-n", self.namespace, *words))

    def patch(self, pod_spec: Mapping[str, Any], what: Message) -> Fix:
        """Merges ``pod_spec`` into the spec of the pod (a strategic merge patch)."""
        document: Any = {"spec": pod_spec}
        for key in reversed(POD_TEMPLATES[self.kind]):
            document = {key: document}
        return self.patch_document(document, what)

    def patch_document(self, document: Mapping[str, Any], what: Message) -> Fix:
        """Merges ``document`` into the object (a strategic merge patch): lines for a manifest, a command for a
        cluster."""
        if self.file:
            lines = yaml.safe_dump(_without_nulls(document), sort_keys=False, width=1000).splitlines()
            return Fix(what, self.file, tuple(lines))
        patch = json.dumps(document, separators=(",", ":"), sort_keys=False)
        return self.fix(what, self.command("patch", self.kind.lower(), self.name, "-p", patch))

    def fix(self, what: Message, *commands: str, file: str = "", lines: Sequence[str] = ()) -> Fix:
        """A fix by commands, which says who would undo them."""
        if self.manager:
            what = tr("{what} {manager} manages the object: make the change there.", what=what, manager=self.manager)
        return Fix(what, file, tuple(lines), commands)


def _without_nulls(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _without_nulls(each) for key, each in node.items() if each is not None}
    return [_without_nulls(each) for each in node] if isinstance(node, list) else node


class KubernetesContainer(Struct, frozen=True):
    """A container of a workload."""

    workload: KubernetesObject
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return text(self.spec, "name")

    @property
    def subject(self) -> str:
        """As findings name it."""
        return f"{self.workload.subject} {self.name}"

    @property
    def image(self) -> str:
        """Its image with the tag."""
        return text(self.spec, "image")

    @property
    def place(self) -> str:
        """The list of the pod that has it."""
        return "containers" if self.spec in items(self.workload.pod_spec, "containers") else "initContainers"

    @property
    def ports(self) -> list[dict[str, Any]]:
        """Its ports for users."""
        return [port for port in items(self.spec, "ports") if _is_for_users(port)]

    def patch(self, changes: Mapping[str, Any], what: Message) -> Fix:
        """Merges ``changes`` into the container."""
        return self.workload.patch({self.place: [{"name": self.name, **changes}]}, what)


def _is_for_users(port: Mapping[str, Any]) -> bool:
    """Whether a port takes TCP, and is not for metrics and the like."""
    return text(port, "protocol") in ("", "TCP") and not any(word in text(port, "name") for word in _NO_SERVICE)


class ComposeImage(Struct, frozen=True):
    """The image of a service in a file of Docker Compose."""

    file: str
    service: str
    image: str

    @property
    def subject(self) -> str:
        """As findings name it."""
        return f"{self.file}: {self.service}"


class KubernetesObjects(Struct, frozen=True, dict=True):
    """All objects that were read. ``unread`` says what was not, so that no check passes; ``missing`` says it of single
    kinds. ``release`` is that of the server, None for manifests. ``pinned`` are images whose tag something else sets
    (kustomize, Skaffold)."""

    objects: tuple[KubernetesObject, ...]
    compose: tuple[ComposeImage, ...] = ()
    unread: Message | None = None
    missing: Mapping[str, Message] = {}
    release: tuple[int, int] | None = None
    pinned: frozenset[str] = frozenset()

    def workloads(self) -> list[KubernetesObject]:
        """What makes pods. Raises Absent if there is nothing of it, and nothing that could not be read."""
        found = [each for each in self.objects if each.pod]
        if not found and self.unread is None and not self.missing:
            raise Absent
        return found

    def of(self, kind: str, beside: KubernetesObject) -> list[KubernetesObject]:
        """The objects of a kind in the namespace of another. Raises NotKnown if they could not be read."""
        if kind in self.missing:
            raise NotKnown(self.missing[kind])
        places = self._by_kind.get(kind, {})
        if not beside.file:
            return places.get(beside.namespace, [])
        own = beside.namespace  # a manifest without a namespace goes where it is applied to
        return [each for place, found in places.items() if not own or place in ("", own) for each in found]

    @cached_property
    def _by_kind(self) -> dict[str, dict[str, list[KubernetesObject]]]:
        """The objects of each kind by their namespaces."""
        found: dict[str, dict[str, list[KubernetesObject]]] = {}
        for each in self.objects:
            found.setdefault(each.kind, {}).setdefault(each.namespace, []).append(each)
        return found

    def selects(self, kind: str, workload: KubernetesObject) -> list[KubernetesObject]:
        """The objects of a kind whose selector has the labels of a workload's pods."""
        labels = mapping(workload.pod, "metadata", "labels")
        key = {"NetworkPolicy": "podSelector"}.get(kind, "selector")
        return [
            each
            for each in self.of(kind, workload)
            if _selected(at(each.document, "spec", key), labels, bare=kind == "Service")
        ]

    def scaler(self, workload: KubernetesObject) -> KubernetesObject | None:
        """What sets the number of its replicas: an autoscaler of Kubernetes or KEDA."""
        for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            for each in self.of(kind, workload):
                target = mapping(each.document, "spec", "scaleTargetRef")
                named = text(target, "name") == workload.name
                if named and text(target, "kind") in (workload.kind, "" if kind == "ScaledObject" else workload.kind):
                    return each
        return None

    def serves(self, workload: KubernetesObject) -> bool:
        """Whether users connect to its pods. Raises NotKnown."""
        if workload.kind not in ("Deployment", "StatefulSet"):
            return False
        return workload.is_never_away or bool(self.services(workload)) or self.may_serve(workload)

    def services(self, workload: KubernetesObject) -> list[KubernetesObject]:
        """The Services by which users connect to its pods. A headless one of a Deployment is for Prometheus. Raises
        NotKnown."""
        return [
            each
            for each in self.selects("Service", workload)
            if (workload.kind == "StatefulSet" or text(each.document, "spec", "clusterIP") != "None")
            and any(_is_for_users(port) for port in items(each.document, "spec", "ports"))
        ]

    def may_serve(self, workload: KubernetesObject) -> bool:
        """Whether its ports are all that tells: its Service is not among the manifests. Raises NotKnown."""
        is_told = not workload.file or bool(self.selects("Service", workload))
        return not is_told and any(each.ports for each in workload.containers())

    def replicas(self, workload: KubernetesObject) -> int | None:
        """How many pods there are at least; None if an autoscaler that is not understood sets it."""
        scaler = self.scaler(workload)
        if scaler is not None and scaler.kind == "ScaledObject":
            return None
        least = at(workload.document if scaler is None else scaler.document, "spec", _least(scaler))
        return least if isinstance(least, int) and not isinstance(least, bool) else 1

    def check_complete(self) -> None:
        """Raises NotKnown if there may be more workloads than were read."""
        if self.unread is not None:
            raise NotKnown(self.unread)
        for kind in POD_TEMPLATES:
            if kind in self.missing:
                raise NotKnown(self.missing[kind])


def _least(scaler: KubernetesObject | None) -> str:
    return "replicas" if scaler is None else "minReplicas"


def _selected(selector: Any, labels: Mapping[str, Any], *, bare: bool) -> bool:
    """Whether a selector has ``labels``; ``bare``: it is that of a Service, which selects nothing if it is empty."""
    if not isinstance(selector, dict) or (bare and not selector):
        return False
    if bare:
        return all(labels.get(key) == value for key, value in selector.items())
    equal = all(labels.get(key) == value for key, value in mapping(selector, "matchLabels").items())
    return equal and all(_expressed(each, labels) for each in items(selector, "matchExpressions"))


def _expressed(expression: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    key, operator = text(expression, "key"), expression.get("operator")
    values = expression.get("values")
    among = isinstance(values, list) and labels.get(key) in values
    return {
        "In": key in labels and among,
        "NotIn": not among,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(operator), False)


class OldVersion(Struct, frozen=True):
    """A version of an API: the releases (1.N) that deprecate and remove it, and what to write instead."""

    deprecated: int
    removed: int
    instead: str
    """Empty where there is nothing."""
    changed: bool = False
    """Whether fields have changed as well."""


_APPS = OldVersion(9, 16, "apps/v1")
OLD_VERSIONS: dict[tuple[str, str], OldVersion] = {
    **{("extensions/v1beta1", kind): _APPS for kind in ("Deployment", "DaemonSet", "ReplicaSet")},
    **{("apps/v1beta1", kind): _APPS for kind in ("Deployment", "StatefulSet")},
    **{("apps/v1beta2", kind): _APPS for kind in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")},
    ("extensions/v1beta1", "NetworkPolicy"): OldVersion(9, 16, "networking.k8s.io/v1"),
    ("extensions/v1beta1", "PodSecurityPolicy"): OldVersion(11, 16, ""),
    ("extensions/v1beta1", "Ingress"): OldVersion(14, 22, "networking.k8s.io/v1", changed=True),
    ("networking.k8s.io/v1beta1", "Ingress"): OldVersion(19, 22, "networking.k8s.io/v1", changed=True),
    ("networking.k8s.io/v1beta1", "IngressClass"): OldVersion(19, 22, "networking.k8s.io/v1"),
    **{
        ("rbac.authorization.k8s.io/v1beta1", kind): OldVersion(17, 22, "rbac.authorization.k8s.io/v1")
        for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    },
    ("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition"): OldVersion(
        16, 22, "apiextensions.k8s.io/v1", changed=True
    ),
    **{
        ("admissionregistration.k8s.io/v1beta1", kind): OldVersion(
            16, 22, "admissionregistration.k8s.io/v1", changed=True
        )
        for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
    },
    ("apiregistration.k8s.io/v1beta1", "APIService"): OldVersion(19, 22, "apiregistration.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass"): OldVersion(14, 22, "scheduling.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "StorageClass"): OldVersion(19, 22, "storage.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIDriver"): OldVersion(19, 22, "storage.k8s.io/v1"),
    ("batch/v2alpha1", "CronJob"): OldVersion(8, 21, "batch/v1"),
    ("batch/v1beta1", "CronJob"): OldVersion(21, 25, "batch/v1"),
    ("policy/v1beta1", "PodDisruptionBudget"): OldVersion(21, 25, "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy"): OldVersion(21, 25, ""),
    ("discovery.k8s.io/v1beta1", "EndpointSlice"): OldVersion(21, 25, "discovery.k8s.io/v1", changed=True),
    ("node.k8s.io/v1beta1", "RuntimeClass"): OldVersion(22, 25, "node.k8s.io/v1"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): OldVersion(22, 25, "autoscaling/v2", changed=True),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): OldVersion(23, 26, "autoscaling/v2"),
    **{
        (f"flowcontrol.apiserver.k8s.io/{version}", kind): OldVersion(
            deprecated, removed, "flowcontrol.apiserver.k8s.io/v1", changed=version != "v1beta3"
        )
        for version, deprecated, removed in (("v1beta1", 23, 26), ("v1beta2", 26, 29), ("v1beta3", 29, 32))
        for kind in ("FlowSchema", "PriorityLevelConfiguration")
    },
}
"""From https://kubernetes.io/docs/reference/using-api/deprecation-guide/."""


QUESTION = """kubectl version -o json
kubectl api-resources -o name
kubectl get deployments,statefulsets,daemonsets,cronjobs,services,ingresses,networkpolicies,\
poddisruptionbudgets,horizontalpodautoscalers,limitranges -o json --show-managed-fields
or the manifests and Compose files of the folder audit: manifests:"""


def _itself(answer: Any) -> KubernetesObjects:
    if not isinstance(answer, KubernetesObjects):
        raise TypeError
    return answer


OBJECTS: Fact[KubernetesObjects] = Fact("kubernetes-objects", QUESTION, _itself)


def about(
    subject: str, evidence: Message, fix: Fix, severity: AuditSeverity | None = None, *, detail: str = ""
) -> AuditFinding:
    """A finding whose evidence says what it is about. ``detail`` tells it from others with the same ``subject``."""
    told = tr("{subject}: {what}", subject=subject, what=evidence)
    return AuditFinding(f"{subject} {detail}".rstrip(), told, fix, severity)


def every_container(objects: KubernetesObjects) -> Iterator[KubernetesContainer]:
    """The containers of all workloads, without those that only prepare a pod."""
    for workload in objects.workloads():
        yield from workload.containers()
