"""What containers may do to their node: privileges, root, and folders of the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lilfox_tui.audit.kubernetes_objects import (
    OBJECTS,
    KubernetesContainer,
    KubernetesObject,
    about,
    at,
    every_container,
    items,
    mapping,
    text,
)
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Facts, Fix
from lilfox_tui.core.i18n import listed, tr

_ROOT_LIKE = frozenset({"ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "BPF", "DAC_READ_SEARCH"})
"""Capabilities with which a process gets out of its container."""
_USER = 10001
_HARMLESS = ("/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo", "/etc/machine-id", "/etc/ssl/certs", "/etc/pki")
"""What a pod may read of its node."""
_OF_NODE = ("/etc", "/proc", "/sys", "/dev", "/run", "/var/run", "/boot", "/root", "/var/lib/kubelet",
            "/var/lib/docker", "/var/lib/containerd", "/var/log")  # fmt: skip
"""Folders that the node itself uses: what is in them is no data of an application."""


def judge_privileged(facts: Facts) -> Iterator[AuditFinding]:
    """Containers that are no boundary. Agents of nodes may need it, so that theirs are of low severity."""
    objects = facts[OBJECTS]
    for workload in objects.workloads():
        lower = AuditSeverity.LOW if workload.is_node_agent else None
        for container in workload.all_containers():
            if (fix := _privileged(container)) is not None:
                severity = lower or (AuditSeverity.MEDIUM if container not in workload.containers() else None)
                yield about(container.subject, fix[0], fix[1], severity)
        shared = [each for each in ("hostPID", "hostIPC") if workload.pod_spec.get(each) is True]
        if shared and lower is None:
            evidence = tr("the pods have {settings}", settings=listed(f"{each}: true" for each in shared))
            what = tr("Give the pods namespaces of their own.")
            yield about(workload.subject, evidence, workload.patch(dict.fromkeys(shared, False), what))
    objects.check_complete()


def _privileged(container: KubernetesContainer) -> tuple[Any, Fix] | None:
    context = mapping(container.spec, "securityContext")
    added = at(context, "capabilities", "add")
    capabilities = [str(each).removeprefix("CAP_") for each in added] if isinstance(added, list) else []
    risky = sorted(_ROOT_LIKE.intersection(capabilities))
    if context.get("privileged") is True:
        what = tr("Take the privileges away, and add the single capabilities that the program needs.")
        changes: dict[str, Any] = {"privileged": False, "allowPrivilegeEscalation": False}
        if risky:
            changes["capabilities"] = {"add": [each for each in capabilities if each not in risky]}
        return tr("securityContext: privileged: true"), container.patch({"securityContext": changes}, what)
    if risky:
        kept = [each for each in capabilities if each not in risky]
        what = tr("Take these capabilities away.")
        fix = container.patch({"securityContext": {"capabilities": {"add": kept}}}, what)
        return tr("securityContext: capabilities: {names}", names=listed(risky)), fix
    return None


def judge_root(facts: Facts) -> Iterator[AuditFinding]:
    """Containers that run as root, or as whatever user their image has. What is privileged is another finding, and
    agents of nodes read files of root."""
    objects = facts[OBJECTS]
    for container in every_container(objects):
        workload = container.workload
        privileged = at(container.spec, "securityContext", "privileged") is True
        if privileged or _is_windows(workload) or (workload.is_node_agent and _host_paths(workload)):
            continue
        non_root, user = (_setting(container, each) for each in ("runAsNonRoot", "runAsUser"))
        if user != 0 and (non_root is True or isinstance(user, int)):
            continue
        evidence = tr("runAsUser: 0")
        if user != 0:
            evidence = tr("neither runAsNonRoot nor runAsUser is set: the image decides, and most images run as root")
        what = tr("This user must be able to read the files of the image, and the program must use a port above 1023.")
        fix = container.patch({"securityContext": {"runAsNonRoot": True, "runAsUser": _USER}}, what)
        yield about(container.subject, evidence, fix, None if user == 0 else AuditSeverity.MEDIUM)
    objects.check_complete()


def _setting(container: KubernetesContainer, name: str) -> Any:
    """A setting of the container, else that of its pod."""
    own = at(container.spec, "securityContext", name)
    return at(container.workload.pod_spec, "securityContext", name) if own is None else own


def _is_windows(workload: KubernetesObject) -> bool:
    selected = mapping(workload.pod_spec, "nodeSelector").get("kubernetes.io/os")
    return "windows" in (selected, at(workload.pod_spec, "os", "name"))


def judge_host_paths(facts: Facts) -> Iterator[AuditFinding]:
    """Folders of the node in pods that are no agents of it."""
    objects = facts[OBJECTS]
    for workload in objects.workloads():
        if workload.is_node_agent:
            continue
        for name, path in _host_paths(workload).items():
            mounts = [
                (container, mount)
                for container in workload.all_containers()
                for mount in items(container.spec, "volumeMounts")
                if text(mount, "name") == name
            ]
            read_only = all(mount.get("readOnly") is True for _container, mount in mounts)
            if not mounts or (read_only and path.startswith(_HARMLESS)):
                continue
            evidence = tr("the volume {name} is hostPath: {path}", name=name, path=path)
            is_mild = read_only and not path.endswith(".sock")
            severity = AuditSeverity.MEDIUM if is_mild else None
            fix = _without_host_path(workload, name, path, mounts)
            yield about(workload.subject, evidence, fix, severity, detail=path)
    objects.check_complete()


def _host_paths(workload: KubernetesObject) -> dict[str, str]:
    """The volumes that are folders of the node, and where they are there."""
    volumes = items(workload.pod_spec, "volumes")
    return {text(each, "name"): text(each, "hostPath", "path") for each in volumes if mapping(each, "hostPath")}


def _without_host_path(
    workload: KubernetesObject, name: str, path: str, mounts: list[tuple[KubernetesContainer, dict[str, Any]]]
) -> Fix:
    if path == "/" or f"{path}/".startswith(tuple(f"{each}/" for each in _OF_NODE)):
        patch: dict[str, Any] = {"volumes": [{"name": name, "$patch": "delete"}]}
        for container, mount in mounts:
            gone = {"mountPath": text(mount, "mountPath"), "$patch": "delete"}
            patch.setdefault(container.place, []).append({"name": container.name, "volumeMounts": [gone]})
        if not workload.file:
            return workload.patch(
                patch, tr("Remove the volume and its mounts. An application should not manage its node.")
            )
        return workload.patch(patch, tr("Remove the volume and its mounts, which this patch of kustomize deletes."))
    claim = f"{workload.name}-{name}"
    lines = (
        "apiVersion: v1",
        "kind: PersistentVolumeClaim",
        "metadata:",
        f"  name: {claim}",
        "spec:",
        "  accessModes: [ReadWriteOnce]",
        "  resources: {requests: {storage: 10Gi}}",
    )
    volume = {"name": name, "hostPath": None, "persistentVolumeClaim": {"claimName": claim}}
    what = tr("Use a volume of the cluster, and copy what the folder holds. The size is an example.")
    fix = workload.patch({"volumes": [volume]}, what)
    if workload.file:
        return Fix(fix.text, workload.file, (*fix.lines, "---", *lines))
    file = f"{claim}.yaml"
    what = tr("{what} Write the lines to {file}.", what=fix.text, file=file)
    return Fix(what, file, lines, (workload.command("apply", "-f", file), *fix.commands))


CHECKS = (
    AuditCheck(
        "kubernetes-privileged",
        AuditSeverity.HIGH,
        tr("a container has the rights of its node"),
        tr("Whoever breaks into the container has root on the node, and can read all other pods on it."),
        (OBJECTS,),
        judge_privileged,
        "https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline",
    ),
    AuditCheck(
        "kubernetes-root",
        AuditSeverity.HIGH,
        tr("a container runs as root"),
        tr("A hole in the container runtime or the kernel then gives root on the node."),
        (OBJECTS,),
        judge_root,
        "https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted",
    ),
    AuditCheck(
        "kubernetes-host-path",
        AuditSeverity.HIGH,
        tr("a pod uses a folder of its node"),
        tr("The pod can change files of the node, and loses its own as soon as it runs on another one."),
        (OBJECTS,),
        judge_host_paths,
        "https://kubernetes.io/docs/concepts/storage/volumes/#hostpath",
    ),
)
