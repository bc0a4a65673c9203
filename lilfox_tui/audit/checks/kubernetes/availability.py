"""What keeps an application up and apart: replicas, disruption budgets, network policies, and API versions."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from lilfox_tui.audit.kubernetes_objects import (
    OBJECTS,
    OLD_VERSIONS,
    KubernetesObject,
    KubernetesObjects,
    OldVersion,
    about,
    items,
    mapping,
    text,
)
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Facts, Fix, NotKnown
from lilfox_tui.core.i18n import Message, ntr, tr


def judge_replicas(facts: Facts) -> Iterator[AuditFinding]:
    """Applications that are away while their only pod is moved. What must not run twice is left out."""
    objects = facts[OBJECTS]
    for workload in objects.workloads():
        if not objects.serves(workload) or objects.replicas(workload) != 1 or _runs_once(workload):
            continue
        scaler = objects.scaler(workload)
        evidence = tr("replicas: {count}", count=1)
        if scaler is not None:
            evidence = tr("{name} has minReplicas: {count}", name=f"{scaler.kind}/{scaler.name}", count=1)
        yield about(workload.subject, evidence, _two_replicas(workload, scaler), _severity(workload))
    objects.check_complete()


def _runs_once(workload: KubernetesObject) -> bool:
    """Whether a second pod could not start, or must not."""
    claims = any(mapping(each, "persistentVolumeClaim") for each in items(workload.pod_spec, "volumes"))
    recreated = text(workload.document, "spec", "strategy", "type") == "Recreate"
    return workload.kind == "Deployment" and (claims or recreated)


def _severity(workload: KubernetesObject) -> AuditSeverity | None:
    """A StatefulSet mostly is a database, which a second pod does not replicate by itself."""
    return AuditSeverity.LOW if workload.kind == "StatefulSet" else None


def _two_replicas(workload: KubernetesObject, scaler: KubernetesObject | None) -> Fix:
    what = tr("Run two pods, if the application keeps no state of its own.")
    if workload.kind == "StatefulSet":
        what = tr("Run two pods, if the application replicates its data between them.")
    if scaler is not None:
        return scaler.patch_document({"spec": {"minReplicas": 2}}, what)
    if workload.file:
        return workload.patch_document({"spec": {"replicas": 2}}, what)
    return workload.fix(what, workload.command("scale", workload.resource, "--replicas=2"))


def judge_budgets(facts: Facts) -> Iterator[AuditFinding]:
    """Applications all of whose pods a drain may end at once."""
    objects = facts[OBJECTS]
    for workload in objects.workloads():
        replicas = objects.replicas(workload) if objects.serves(workload) else None
        if replicas is None or replicas < 2 or objects.selects("PodDisruptionBudget", workload):
            continue
        labels = mapping(workload.document, "spec", "selector", "matchLabels") or mapping(
            workload.pod, "metadata", "labels"
        )
        evidence = tr("replicas: {count}, and no PodDisruptionBudget selects its pods", count=replicas)
        lines = (
            "apiVersion: policy/v1",
            "kind: PodDisruptionBudget",
            "metadata:",
            f"  name: {workload.name}",
            *_of_namespace(workload),
            "spec:",
            "  maxUnavailable: 1",
            "  selector:",
            "    matchLabels:",
            *(f"      {key}: {_quoted(str(value))}" for key, value in (labels or {"app": workload.name}).items()),
        )
        what = tr("Add this object.")
        if not labels:
            what = tr("Give the pods this label (spec.template.metadata.labels), and add this object.")
        yield about(workload.subject, evidence, _added(workload, f"{workload.name}-pdb", lines, what))
    objects.check_complete()


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _of_namespace(beside: KubernetesObject) -> tuple[str, ...]:
    return (f"  namespace: {beside.namespace}",) if beside.namespace else ()


def _added(beside: KubernetesObject, name: str, lines: tuple[str, ...], what: Message) -> Fix:
    """A new object: a file that is applied, or one beside the manifest."""
    if beside.file:
        file = f"{beside.file.rpartition('/')[0]}/{name}.yaml".lstrip("/")
        return Fix(tr("{what} Write the lines to {file}.", what=what, file=file), file, lines)
    file = f"{beside.namespace}-{name}.yaml"
    what = tr("{what} Write the lines to {file}.", what=what, file=file)
    return beside.fix(what, shlex.join((*beside.kubectl, "apply", "-f", file)), file=file, lines=lines)


def judge_policies(facts: Facts) -> Iterator[AuditFinding]:
    """Namespaces whose pods everything in the cluster can connect to."""
    objects = facts[OBJECTS]
    by_namespace: dict[str, list[KubernetesObject]] = {}
    for workload in objects.workloads():
        if not workload.runs_to_its_end:
            by_namespace.setdefault(workload.namespace or "default", []).append(workload)
    for namespace, workloads in by_namespace.items():
        if _has_policy(objects, workloads[0]):
            continue
        evidence = ntr(
            "no NetworkPolicy for {count} workload: {names}",
            "no NetworkPolicy for {count} workloads: {names}",
            len(workloads),
            names=", ".join(each.name for each in workloads[:5]),
        )
        lines = (
            "apiVersion: networking.k8s.io/v1",
            "kind: NetworkPolicy",
            "metadata:",
            "  name: same-namespace",
            *_of_namespace(workloads[0]),
            "spec:",
            "  podSelector: {}",
            "  policyTypes: [Ingress]",
            "  ingress:",
            "  - from:",
            "    - podSelector: {}",
        )
        what = tr(
            "Add this policy, which lets in only pods of the same namespace. First add what else must connect: the "
            "ingress controller, Prometheus, other applications."
        )
        yield about(namespace, evidence, _added(workloads[0], "network-policy", lines, what))
    objects.check_complete()


def _has_policy(objects: KubernetesObjects, workload: KubernetesObject) -> bool:
    """Whether the namespace of a workload has a policy of Kubernetes, Cilium or Calico. Raises NotKnown."""
    kinds = ("NetworkPolicy", "CiliumNetworkPolicy")
    wide = ("CiliumClusterwideNetworkPolicy", "GlobalNetworkPolicy")
    return any(objects.of(kind, workload) for kind in kinds) or any(each.kind in wide for each in objects.objects)


def judge_versions(facts: Facts) -> Iterator[AuditFinding]:
    """Objects whose author wrote an API version that is gone, or is going. Manifests are for releases that are still
    supported, which have none of :data:`OLD_VERSIONS`."""
    objects = facts[OBJECTS]
    if not objects.objects:
        objects.workloads()
    release = objects.release
    for each in objects.objects:
        old = OLD_VERSIONS.get((each.version, each.kind))
        if old is None or (release is not None and release < (1, old.deprecated)):
            continue
        evidence = tr("apiVersion: {version}, which is removed in Kubernetes 1.{release}", version=each.version,
                      release=old.removed)  # fmt: skip
        yield about(each.subject, evidence, _version_fix(each, old))
    written = all(each.file for each in objects.objects)
    if release is None and not written:
        raise NotKnown(tr("kubectl version does not tell the release of the server"))
    objects.check_complete()


def _version_fix(each: KubernetesObject, old: OldVersion) -> Fix:
    if not old.instead:
        return Fix(
            tr("Remove it: Pod Security Admission has replaced it (the label pod-security.kubernetes.io/enforce).")
        )
    what = tr("Write this version, and apply the manifest again.")
    if old.changed:
        what = tr("Write this version with the fields that changed: kubectl convert (a plugin of kubectl) does both.")
    if each.file:
        return Fix(what, each.file, (f"apiVersion: {old.instead}", f"kind: {each.kind}"))
    if old.changed or not each.applied:
        return each.fix(what, lines=(f"apiVersion: {old.instead}", f"kind: {each.kind}"))
    shown = each.command("apply", "view-last-applied", each.resource)
    sed = shlex.join(("sed", f"s#^apiVersion: {each.version}$#apiVersion: {old.instead}#"))
    return each.fix(what, f"{shown} | {sed} | {each.command('apply', '-f', '-')}")


CHECKS = (
    AuditCheck(
        "kubernetes-one-replica",
        AuditSeverity.MEDIUM,
        tr("an application has only one pod"),
        tr("It is down whenever its node fails or is drained, until the pod has started elsewhere."),
        (OBJECTS,),
        judge_replicas,
        "https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#scaling-a-deployment",
    ),
    AuditCheck(
        "kubernetes-no-disruption-budget",
        AuditSeverity.MEDIUM,
        tr("a drain can end all pods of an application"),
        tr("Without a PodDisruptionBudget, an upgrade of the nodes may evict every pod at the same time."),
        (OBJECTS,),
        judge_budgets,
        "https://kubernetes.io/docs/tasks/run-application/configure-pdb/",
    ),
    AuditCheck(
        "kubernetes-no-network-policy",
        AuditSeverity.MEDIUM,
        tr("a namespace has no network policy"),
        tr("Every pod of the cluster can connect to every port of its pods, such as those of databases."),
        (OBJECTS,),
        judge_policies,
        "https://kubernetes.io/docs/concepts/services-networking/network-policies/",
    ),
    AuditCheck(
        "kubernetes-api-version",
        AuditSeverity.MEDIUM,
        tr("an object is written for an API version that is removed"),
        tr("From that release on, the object can no longer be applied, and the deployment stops with an error."),
        (OBJECTS,),
        judge_versions,
        "https://kubernetes.io/docs/reference/using-api/deprecation-guide/",
    ),
)
