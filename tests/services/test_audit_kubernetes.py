"""The checks of Kubernetes: the real kubectl against a stand-in of the API server, and manifests in a folder. Each
fault is made, found, mended by the fix that the finding gives, and gone."""

from __future__ import annotations

import asyncio
import copy
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.documents import shown
from lilfox_tui.audit.model import AuditFinding, AuditSeverity, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.audit import AuditClusterConfig, AuditConfig
from lilfox_tui.config.model import Config
from tests.services.kube_api import KubernetesApi
from tests.services.kube_cluster_store import merged
from tests.services.sshd import sshd_lab

LABELS = {"app": "web"}
CONTAINER = {
    "name": "web",
    "image": "registry.example/shop/web:1.4.2",
    "ports": [{"containerPort": 8080}],
    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    "securityContext": {"allowPrivilegeEscalation": False},
    "env": [
        {"name": "LOG_LEVEL", "value": "info"},
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "web", "key": "password"}}},
    ],
}
POD = {"securityContext": {"runAsNonRoot": True}, "containers": [CONTAINER]}
WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": POD},
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}]},
}
BUDGET: dict[str, Any] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web"},
    "spec": {"maxUnavailable": 1, "selector": {"matchLabels": LABELS}},
}
POLICY: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "web"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]},
}
CRON = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "report"},
    "spec": {
        "schedule": "0 3 * * *",
        "jobTemplate": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "securityContext": {"runAsUser": 1000},
                        "containers": [{k: v for k, v in CONTAINER.items() if k not in ("ports", "readinessProbe")}],
                    }
                }
            }
        },
    },
}
COLLECTOR = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "logs"},
    "spec": {
        "selector": {"matchLabels": {"app": "logs"}},
        "template": {
            "metadata": {"labels": {"app": "logs"}},
            "spec": {
                "containers": [
                    {
                        "name": "alloy",
                        "image": "grafana/alloy@sha256:" + "0" * 64,
                        "ports": [{"containerPort": 12345, "name": "http-metrics"}],
                        "resources": CONTAINER["resources"],
                        "volumeMounts": [{"name": "logs", "mountPath": "/var/log", "readOnly": True}],
                    }
                ],
                "volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}],
            },
        },
    },
}
RUNNING = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "labels": LABELS},
    "status": {"containerStatuses": [{"name": "web", "imageID": "docker.io/shop/web@sha256:" + "1" * 64}]},
}
HEALTHY: tuple[dict[str, Any], ...] = (WEB, SERVICE, BUDGET, POLICY, CRON, COLLECTOR)


def changed(pod: Mapping[str, Any], spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The Deployment with a change of its pod."""
    return merged(WEB, {"spec": {**(spec or {}), "template": {"spec": pod}}})  # type: ignore[no-any-return]


def container(**changes: Any) -> dict[str, Any]:
    """The Deployment with a change of its container."""
    return changed({"containers": [{"name": "web", **changes}]})


DOCKER = changed(
    {
        "containers": [{"name": "web", "volumeMounts": [{"name": "docker", "mountPath": "/var/run/docker.sock"}]}],
        "volumes": [{"name": "docker", "hostPath": {"path": "/var/run/docker.sock"}}],
    }
)
DATA = changed(
    {
        "containers": [{"name": "web", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "volumes": [{"name": "data", "hostPath": {"path": "/srv/data"}}],
    }
)
PASSWORD = container(env=[{"name": "DB_PASSWORD", "value": "hunter2-Zq81", "valueFrom": None}])
FAULTS: dict[str, tuple[str, tuple[dict[str, Any], ...], str, AuditSeverity]] = {
    "latest": ("kubernetes-image-tag", (container(image="shop/web:latest"),), " web", AuditSeverity.HIGH),
    "no tag": ("kubernetes-image-tag", (container(image="r.example:5000/web"),), " web", AuditSeverity.HIGH),
    "no resources": ("kubernetes-resources", (container(resources=None),), " web", AuditSeverity.HIGH),
    "no limit": (
        "kubernetes-resources", (container(resources={"limits": None}),), " web", AuditSeverity.HIGH,
    ),
    "no probe": (
        "kubernetes-readiness-probe", (container(readinessProbe=None),), " web", AuditSeverity.HIGH,
    ),
    "password": ("kubernetes-secret-in-env", (PASSWORD,), " web DB_PASSWORD", AuditSeverity.MEDIUM),
    "privileged": (
        "kubernetes-privileged", (container(securityContext={"privileged": True}),), " web", AuditSeverity.HIGH,
    ),
    "capability": (
        "kubernetes-privileged",
        (container(securityContext={"capabilities": {"add": ["NET_BIND_SERVICE", "SYS_ADMIN"]}}),),
        " web",
        AuditSeverity.HIGH,
    ),
    "host processes": ("kubernetes-privileged", (changed({"hostPID": True}),), "", AuditSeverity.HIGH),
    "root": ("kubernetes-root", (container(securityContext={"runAsUser": 0}),), " web", AuditSeverity.HIGH),
    "any user": ("kubernetes-root", (changed({"securityContext": None}),), " web", AuditSeverity.MEDIUM),
    "docker.sock": ("kubernetes-host-path", (DOCKER,), " /var/run/docker.sock", AuditSeverity.HIGH),
    "data": ("kubernetes-host-path", (DATA,), " /srv/data", AuditSeverity.HIGH),
    "one replica": ("kubernetes-one-replica", (changed({}, {"replicas": 1}),), "", AuditSeverity.MEDIUM),
}  # fmt: skip
MISSING: dict[str, tuple[dict[str, Any], str | None]] = {
    "kubernetes-no-disruption-budget": (BUDGET, "Deployment/web"),
    "kubernetes-no-network-policy": (POLICY, None),
}
OLD = {**BUDGET, "apiVersion": "policy/v1beta1"}


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubernetesApi]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    server = KubernetesApi()
    async with server.running():
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
        server.add(*HEALTHY)
        yield server


async def audited(*checks: str, **cluster: Any) -> Report:
    """The report about the cluster."""
    config = Config(audit=AuditConfig(clusters={"shop": AuditClusterConfig(context="shop", **cluster)}))
    return await Audit(config, timeout_s=60).run(chosen(checks or ["kubernetes"]), targets_of(config))


async def mend(finding: AuditFinding, folder: Path) -> None:
    """Writes the lines of a fix, and runs its commands."""
    if finding.fix.lines:
        (folder / finding.fix.file).write_text("\n".join(finding.fix.lines) + "\n")
    for command in finding.fix.commands:
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", command, cwd=folder, stderr=asyncio.subprocess.PIPE
        )
        _out, complaint = await process.communicate()
        assert process.returncode == 0, (command, complaint.decode())


async def test_nothing_is_found_in_a_cluster_that_is_well(api: KubernetesApi, tmp_path: Path) -> None:
    api.add(container(image="etcd"), namespace="kube-system")
    report = await audited()
    assert [(each.check.id, each.finding.subject) for each in report.found] == []
    assert report.not_checked == ()
    assert len(report.passed) == len(chosen(["kubernetes"]))
    assert not [path for _method, path in api.asked if "secrets" in path]
    assert {method for method, _path in api.asked} == {"GET"}
    assert not (tmp_path / "cache").exists()


@pytest.mark.provokes(
    "kubernetes-image-tag",
    "kubernetes-resources",
    "kubernetes-readiness-probe",
    "kubernetes-secret-in-env",
    "kubernetes-privileged",
    "kubernetes-root",
    "kubernetes-host-path",
    "kubernetes-one-replica",
)
async def test_workloads_that_are_mended(api: KubernetesApi, tmp_path: Path) -> None:
    expected = set()
    for fault, (check, documents, subject, severity) in FAULTS.items():
        namespace = fault.replace(" ", "-").replace(".", "-")
        api.add(*HEALTHY, *documents, namespace=namespace)
        api.add(RUNNING, namespace=namespace)
        expected.add((check, f"{namespace}/Deployment/web{subject}", severity))
    report = await audited()
    assert {(each.check.id, each.finding.subject, each.severity) for each in report.found} == expected
    assert "hunter2" not in str(report.found)
    for each in report.found:  # what is shown can be pasted
        lines = (*each.finding.fix.lines, *each.finding.fix.commands)
        assert [shown(line) for line in lines] == list(lines)
    for each in report.found:
        await mend(each.finding, tmp_path)
    report = await audited()
    assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
    assert report.not_checked == ()
    secret = api.objects["secrets", "password", "web-db-password"]
    assert secret["data"] == {"value": "aHVudGVyMi1acTgx"}
    spec = api.objects["deployments", "latest", "web"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == "docker.io/shop/web@sha256:" + "1" * 64


@pytest.mark.provokes("kubernetes-no-disruption-budget", "kubernetes-no-network-policy")
async def test_objects_that_are_missing_are_added(api: KubernetesApi, tmp_path: Path) -> None:
    expected = set()
    for check, (document, subject) in MISSING.items():
        namespace = document["kind"].lower()
        api.add(*(each for each in HEALTHY if each is not document), namespace=namespace)
        expected.add((check, f"{namespace}/{subject}" if subject else namespace))
    found = (await audited()).found
    assert {(each.check.id, each.finding.subject) for each in found} == expected
    for each in found:
        await mend(each.finding, tmp_path)
    assert (await audited()).found == ()


@pytest.mark.provokes("kubernetes-api-version")
async def test_a_version_that_the_next_release_removes(api: KubernetesApi, tmp_path: Path) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({**OLD, "metadata": {"name": "web"}})}
    api.release = "1.24"
    api.add({**BUDGET, "metadata": {"name": "web", "annotations": applied}})
    (found,) = (await audited()).found
    assert (found.check.id, found.finding.subject) == ("kubernetes-api-version", "shop/PodDisruptionBudget/web")
    assert "1.25" in str(found.finding.evidence)
    api.release = "1.20"
    assert (await audited()).found == ()  # policy/v1 is not there yet
    api.release = "1.24"
    await mend(found.finding, tmp_path)
    assert (await audited()).found == ()


async def test_what_may_not_be_listed_is_not_known(api: KubernetesApi) -> None:
    api.forbidden = {"poddisruptionbudgets"}
    report = await audited()
    assert report.found == ()
    assert [(each.check.id, str(each.reason)) for each in report.not_checked] == [
        ("kubernetes-no-disruption-budget", "the account of kubectl may not list poddisruptionbudgets.policy")
    ]
    api.forbidden = {"cronjobs"}
    assert len((await audited(namespaces=("shop",))).not_checked) == len(chosen(["kubernetes"]))


async def test_a_cluster_that_is_not_reached_is_not_checked(api: KubernetesApi, tmp_path: Path) -> None:
    api.url = "http://127.0.0.1:1"
    api.kubeconfig(tmp_path)
    (reason, *_others) = {str(each.reason) for each in (await audited()).not_checked}
    assert reason.startswith("kubectl: ")
    config = Config(audit=AuditConfig(clusters={"shop": AuditClusterConfig(context="nosuch")}))
    report = await Audit(config, timeout_s=60).run(chosen(["kubernetes"]), targets_of(config))
    assert {str(each.reason) for each in report.not_checked} == {'kubectl: error: context "nosuch" does not exist'}


async def test_a_cluster_that_a_host_reaches(api: KubernetesApi) -> None:
    api.add(container(image="shop/web"))
    with sshd_lab() as lab:
        server = lab.sshd()
        (server.folder / ".kube").mkdir()  # its logins have it as their home
        api.kubeconfig(server.folder).rename(server.folder / ".kube" / "config")
        config = Config(
            hosts={"bastion": lab.host(server)},
            ssh=lab.ssh(),
            audit=AuditConfig(clusters={"shop": AuditClusterConfig(host="bastion", context="shop")}),
        )
        targets = {"kubernetes": targets_of(config, ["bastion"])["kubernetes"]}
        report = await Audit(config, timeout_s=60).run(chosen(["kubernetes"]), targets)
    assert [each.finding.subject for each in report.found] == ["shop/Deployment/web web"]
    assert report.not_checked == ()


async def audited_folder(folder: Path) -> Report:
    """The report about manifests."""
    config = Config(audit=AuditConfig(manifests=str(folder)))
    return await Audit(config, timeout_s=60).run(chosen(["kubernetes"]), targets_of(config))


def write(folder: Path, documents: tuple[dict[str, Any], ...]) -> None:
    """Writes the manifests, that of the Deployment into a file of its own."""
    (folder / "web.yaml").write_text(yaml.safe_dump(documents[0]))
    (folder / "rest.yaml").write_text(yaml.safe_dump_all(documents[1:]))


def edit(finding: AuditFinding, folder: Path) -> None:
    """Writes the lines of a fix where they belong: into the object that they are a part of, or a new file."""
    file = folder / finding.fix.file
    parts = [part for part in yaml.safe_load_all("\n".join(finding.fix.lines)) if part]
    documents = list(yaml.safe_load_all(file.read_text())) if file.exists() else []
    patch = parts[0]
    if "kind" in patch and not any(each["kind"] == patch["kind"] for each in documents):
        documents.append(patch)
    else:
        at = next((n for n, each in enumerate(documents) if each["kind"] == patch.get("kind", "Deployment")))
        documents[at] = merged(documents[at], _replaced(patch))
    file.write_text(yaml.safe_dump_all([*documents, *parts[1:]]))


def _replaced(node: Any) -> Any:
    """A patch that takes away what its lines stand for instead."""
    if isinstance(node, list):
        return [_replaced(each) for each in node]
    if not isinstance(node, dict):
        return node
    instead = {"valueFrom": "value", "persistentVolumeClaim": "hostPath"}
    gone = {instead[key]: None for key in node if key in instead}
    return {key: _replaced(each) for key, each in node.items()} | gone


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_manifest_that_is_mended(tmp_path: Path, fault: str) -> None:
    check, documents, subject, severity = FAULTS[fault]
    write(tmp_path, (*documents, *HEALTHY[1:]))
    (found,) = (await audited_folder(tmp_path)).found
    assert (found.check.id, found.finding.subject) == (check, f"web.yaml: Deployment/web{subject}")
    assert found.severity == severity
    assert "hunter2" not in f"{found.finding}"
    assert all(shown(line) == line for line in found.finding.fix.lines)
    edit(found.finding, tmp_path)
    report = await audited_folder(tmp_path)
    assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
    assert report.not_checked == ()


@pytest.mark.parametrize("check", MISSING)
async def test_a_manifest_that_is_missing_is_added(tmp_path: Path, check: str) -> None:
    missing, subject = MISSING[check]
    write(tmp_path, tuple(each for each in HEALTHY if each is not missing))
    (found,) = (await audited_folder(tmp_path)).found
    assert found.finding.subject == (f"web.yaml: {subject}" if subject else "default")
    edit(found.finding, tmp_path)
    assert (await audited_folder(tmp_path)).found == ()


async def test_a_manifest_for_a_version_that_is_removed(tmp_path: Path) -> None:
    write(tmp_path, (*(each for each in HEALTHY if each is not BUDGET), copy.deepcopy(OLD)))
    (found,) = (await audited_folder(tmp_path)).found
    assert (found.check.id, found.finding.subject) == (
        "kubernetes-api-version", "rest.yaml: PodDisruptionBudget/web",
    )  # fmt: skip
    edit(found.finding, tmp_path)
    assert (await audited_folder(tmp_path)).found == ()


async def test_an_image_of_compose(tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(
        "services:\n  cache:\n    image: redis\n  db: {image: 'postgres:17.2'}\n"
        "  web: {build: ., image: shop/web}\n  api: {image: 'shop/api:${TAG}'}\n"
    )
    report = await audited_folder(tmp_path)
    (found,) = report.found
    assert (found.check.id, found.finding.subject) == ("kubernetes-image-tag", "docker-compose.yml: cache")
    document = merged(yaml.safe_load(file.read_text()), yaml.safe_load("\n".join(found.finding.fix.lines)))
    file.write_text(yaml.safe_dump(document))
    assert (await audited_folder(tmp_path)).found == ()
