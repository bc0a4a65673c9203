"""Containers: their images, resources and probes, and secrets in their environment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lilfox_tui.audit.kubernetes_objects import (
    OBJECTS,
    KubernetesContainer,
    KubernetesObject,
    KubernetesObjects,
    about,
    at,
    every_container,
    items,
    mapping,
    text,
)
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Facts, Fix
from lilfox_tui.audit.secret_values import is_secret_variable, secrets_in
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.redact import MASK

_EXAMPLES = {"cpu": "100m", "memory": "128Mi"}
_AMOUNT = re.compile(r"(\d{1,12})([A-Za-z]{0,2})")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*")
_VERSION = "VERSION"
_PORT = 8080
"""An example, where nothing tells the port of an application."""


def judge_images(facts: Facts) -> Iterator[AuditFinding]:
    """Images of which nobody knows what runs."""
    objects = facts[OBJECTS]
    containers = [each for workload in _workloads(objects) for each in workload.all_containers()]
    for container in containers:
        if _is_loose(container.image) and _repository(container.image) not in objects.pinned:
            evidence = tr("image: {image}", image=container.image)
            yield about(container.subject, evidence, _pin(container))
    for service in objects.compose:
        if _is_loose(service.image):
            lines = ("services:", f"  {service.service}:", f"    image: {_versioned(service.image)}")
            fix = Fix(_PIN_TEXT, service.file, lines)
            yield about(service.subject, tr("image: {image}", image=service.image), fix)
    objects.check_complete()


def _workloads(objects: KubernetesObjects) -> list[KubernetesObject]:
    """Raises Absent if there are no workloads and no Compose file."""
    try:
        return objects.workloads()
    except Absent:
        if objects.compose:
            return []
        raise


def _repository(image: str) -> str:
    """An image without its tag."""
    return image[: len(image) - len(_tag(image))].removesuffix(":")


def _tag(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[2]


def _is_loose(image: str) -> bool:
    """Whether an image is another one after the next push. What is built or filled in elsewhere is not known."""
    if not _IMAGE.fullmatch(image) or "://" in image:
        return False
    return _tag(image) in ("", "latest")


def _versioned(image: str) -> str:
    return f"{_repository(image)}:{_VERSION}"


_PIN_TEXT = tr("Write the version that you have tested instead of VERSION.")


def _pin(container: KubernetesContainer) -> Fix:
    workload = container.workload
    if workload.file:
        return container.patch({"image": _versioned(container.image)}, _PIN_TEXT)
    labels = mapping(workload.pod, "metadata", "labels")
    if container.place != "containers" or workload.runs_to_its_end or not labels:
        what = tr("Name the version that you have tested instead of VERSION.")
        image = f"{container.name}={_versioned(container.image)}"
        return workload.fix(what, workload.command("set", "image", workload.resource, image))
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    path = f'{{.items[0].status.containerStatuses[?(@.name=="{container.name}")].imageID}}'
    runs = workload.command("get", "pods", "-l", selector, "-o", f"jsonpath={path}")
    command = workload.command("set", "image", workload.resource)
    what = tr("Pin what runs now, and deploy each later version by its tag or digest.")
    return workload.fix(what, f'{command} {shlex.quote(container.name + "=")}"$({runs})"')


def judge_resources(facts: Facts) -> Iterator[AuditFinding]:
    """Containers that the scheduler knows nothing about, or that may take all memory of a node."""
    objects = facts[OBJECTS]
    for container in every_container(objects):
        if text(container.workload.pod_spec, "resources", "limits", "memory") or _sized(objects, container.workload):
            continue
        requests, limits = _resources(objects, container)
        missing = [
            *(f"requests.{each}" for each in ("cpu", "memory") if each not in requests and each not in limits),
            *(["limits.memory"] if "memory" not in limits else []),
        ]
        if missing:
            evidence = tr("not set: {names}", names=listed(f"resources.{each}" for each in missing))
            is_mild = missing == ["requests.cpu"] or container.workload.runs_to_its_end
            severity = AuditSeverity.MEDIUM if is_mild else None
            yield about(container.subject, evidence, _resource_fix(container, missing, requests), severity)
    objects.check_complete()


def _sized(objects: KubernetesObjects, workload: KubernetesObject) -> bool:
    """Whether a vertical autoscaler sets the resources."""
    return any(
        text(each.document, "spec", "targetRef", "name") == workload.name
        and text(each.document, "spec", "updatePolicy", "updateMode") != "Off"
        for each in objects.of("VerticalPodAutoscaler", workload)
    )


def _resources(
    objects: KubernetesObjects, container: KubernetesContainer
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The requests and limits of a container, with the defaults of its namespace. Raises NotKnown."""
    requests, limits = (mapping(container.spec, "resources", each) for each in ("requests", "limits"))
    for each in objects.of("LimitRange", container.workload):
        for defaults in items(each.document, "spec", "limits"):
            if text(defaults, "type") == "Container":
                limits = mapping(defaults, "default") | limits
                requests = mapping(defaults, "defaultRequest") | requests
    return requests, limits


def _resource_fix(container: KubernetesContainer, missing: list[str], requests: Mapping[str, Any]) -> Fix:
    set_requests = {each: _EXAMPLES[each] for each in ("cpu", "memory") if f"requests.{each}" in missing}
    memory = text(requests, "memory") or _EXAMPLES["memory"]
    set_limits = {"memory": _doubled(memory)} if "limits.memory" in missing else {}
    what = tr("These are examples: kubectl top pod --containers shows what the container uses.")
    resources = {key: each for key, each in (("requests", set_requests), ("limits", set_limits)) if each}
    workload = container.workload
    if workload.file or workload.kind == "CronJob" or container.place != "containers":
        return container.patch({"resources": resources}, what)
    options = [f"--{key}=" + ",".join(f"{name}={each}" for name, each in sizes.items())
               for key, sizes in resources.items()]  # fmt: skip
    command = workload.command("set", "resources", workload.resource, "-c", container.name, *options)
    return workload.fix(what, command)


def _doubled(amount: str) -> str:
    match = _AMOUNT.fullmatch(amount)
    return f"{2 * int(match[1])}{match[2]}" if match else "256Mi"


def judge_probes(facts: Facts) -> Iterator[AuditFinding]:
    """Containers that get requests before they can answer them."""
    objects = facts[OBJECTS]
    for workload in objects.workloads():
        if workload.runs_to_its_end or workload.is_node_agent or workload.kind == "Pod":
            continue
        if any("readinessProbe" in each.spec for each in workload.containers()):
            continue  # the pod is ready when this container is
        for container, port in _asked(objects, workload)[:1]:
            probe = {"readinessProbe": {"tcpSocket": {"port": port or _PORT}, "periodSeconds": 5}}
            what = tr(
                "This waits until the port is open. If the application has a path that tells whether it is ready, use "
                "httpGet instead."
            )
            if port is None:
                evidence = tr("no readinessProbe, although maxUnavailable: 0 waits until a new pod is ready")
                what = tr("Write the port that the application listens on instead of {port}.", port=_PORT)
            elif {"livenessProbe", "startupProbe"}.intersection(container.spec):
                evidence = tr("no readinessProbe; clients use port {port}", port=port)
            else:
                evidence = tr("no probe at all; clients use port {port}", port=port)
            yield about(container.subject, evidence, container.patch(probe, what))
    objects.check_complete()


def _asked(
    objects: KubernetesObjects, workload: KubernetesObject
) -> list[tuple[KubernetesContainer, int | str | None]]:
    """The containers that a Service sends requests to, each with a port; where no Service is known to, those of a
    Deployment or StatefulSet that name a port. None for a port that nothing tells. Raises NotKnown."""
    containers = workload.containers()
    targets: list[tuple[KubernetesContainer, int | str | None]] = []
    services = objects.services(workload)
    for port in (each for service in services for each in items(service.document, "spec", "ports")):
        target = port.get("targetPort", port.get("port"))
        found = [each for each in containers if _listens(each, target)]
        if not found and len(containers) == 1 and isinstance(target, int) and text(port, "protocol") in ("", "TCP"):
            found = containers
        if isinstance(target, int | str):
            targets += [(each, target) for each in found]
    if objects.may_serve(workload) and workload.kind in ("Deployment", "StatefulSet"):
        targets = [(each, port) for each in containers for port in _numbers(each)[:1]]
    if not targets and workload.is_never_away:
        targets = [(each, None) for each in containers[:1]]
    return targets


def _listens(container: KubernetesContainer, target: Any) -> bool:
    return any(target in (port.get("containerPort"), port.get("name")) for port in container.ports)


def _numbers(container: KubernetesContainer) -> list[int]:
    return [port["containerPort"] for port in container.ports if isinstance(port.get("containerPort"), int)]


def judge_environment(facts: Facts) -> Iterator[AuditFinding]:
    """Secrets that everybody who may read a workload can read."""
    objects = facts[OBJECTS]
    for workload in objects.workloads():
        for container in workload.all_containers():
            for variable in items(container.spec, "env"):
                name, value = text(variable, "name"), at(variable, "value")
                if isinstance(value, str) and _has_secret(name, value):
                    evidence = tr("env: {name} has the value {mask}", name=name, mask=MASK)
                    yield about(container.subject, evidence, _secret_fix(container, name), detail=name)
    objects.check_complete()


def _has_secret(name: str, value: str) -> bool:
    """Whether a variable holds a secret itself. One that refers to others, as in ``$(DB_PASSWORD)``, is no secret as a
    whole."""
    return bool(secrets_in(value)) if "$(" in value else is_secret_variable(name, value)


def _secret_fix(container: KubernetesContainer, name: str) -> Fix:
    workload = container.workload
    secret = re.sub(r"[^a-z0-9-]", "-", f"{workload.name}-{name}".lower()).strip("-")
    reference = {"name": secret, "key": "value"}  # a key named as the variable would be masked in the command
    variable = {"name": name, "value": None, "valueFrom": {"secretKeyRef": reference}}
    place = ("-n", workload.namespace) if workload.namespace else ()
    made = shlex.join((*workload.kubectl, *place, "create", "secret", "generic", secret,
                       "--from-file=value=/dev/stdin"))  # fmt: skip
    if workload.file:
        what = tr(
            "Create the Secret with a new value, which the command reads until Ctrl+D, and refer to it in the manifest."
        )
        return msgspec.structs.replace(container.patch({"env": [variable]}, what), commands=(made,))
    fix = container.patch({"env": [variable]}, tr("Move the value to a Secret, and change it: it may have been read."))
    path = "{.." + f'{container.place}[?(@.name=="{container.name}")].env[?(@.name=="{name}")].value' + "}"
    shown = workload.command("get", workload.kind.lower(), workload.name, "-o", f"jsonpath={path}")
    return Fix(fix.text, commands=(f"{shown} | {made}", *fix.commands))


_SECRET_WHY = tr("Everyone who can read the workload or its manifest can read the secret; kubectl describe shows it.")
_PROBE_WHY = tr(
    "Without a readiness probe, a pod gets requests as soon as its process has started: each deployment and each "
    "restart fails some of them."
)


def _check(name: str, severity: AuditSeverity, title: Message, why: Message, judge: Any, reference: str) -> AuditCheck:
    return AuditCheck(name, severity, title, why, (OBJECTS,), judge, f"https://kubernetes.io/docs/{reference}")


CHECKS = (
    _check(
        "kubernetes-image-tag",
        AuditSeverity.HIGH,
        tr("an image has no version"),
        tr(
            "A restarted pod may run another build than its neighbours, and a rollback does not bring the old one back."
        ),
        judge_images,
        "concepts/containers/images/#image-names",
    ),
    _check(
        "kubernetes-resources",
        AuditSeverity.HIGH,
        tr("a container has no requests or no memory limit"),
        tr(
            "The scheduler packs pods without requests onto full nodes and evicts them first. Without a memory limit, "
            "one leak takes a node down."
        ),
        judge_resources,
        "concepts/configuration/manage-resources-containers/",
    ),
    _check(
        "kubernetes-readiness-probe",
        AuditSeverity.HIGH,
        tr("a container gets requests before it is ready"),
        _PROBE_WHY,
        judge_probes,
        "tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
    ),
    _check(
        "kubernetes-secret-in-env",
        AuditSeverity.MEDIUM,
        tr("a workload has a secret in plain text"),
        _SECRET_WHY,
        judge_environment,
        "concepts/configuration/secret/",
    ),
)
