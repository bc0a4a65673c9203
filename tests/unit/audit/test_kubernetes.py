"""The checks of Kubernetes on manifests and captured objects: what is found, and what a careful engineer has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.kubernetes_objects import OBJECTS, OLD_VERSIONS, KubernetesObject, KubernetesObjects
from lilfox_tui.audit.model import AuditSeverity, Found, NotChecked, NotKnown, Target
from lilfox_tui.audit.run import Outcome, judged, targets_of
from lilfox_tui.audit.targets import kubernetes
from lilfox_tui.audit.targets.kubernetes import gather_manifests, read_cluster, read_manifests
from lilfox_tui.config.loader import load
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.hosts.base import Completed

CHECKS = chosen(["kubernetes"])
MANUAL = """
# k8s/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: backend
spec:
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  replicas: 3
  template:
    spec:
      containers:
      - name: backend
        image: lilfox-backend:latest
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      securityContext: {runAsUser: 1000}
      containers:
      - name: web
        image: shop/web:1.4.2
        ports: [{containerPort: 8080, name: http}]
        readinessProbe: {httpGet: {path: /ready, port: http}}
        resources: {requests: {cpu: 100m}, limits: {memory: 256Mi}}
        env:
        - {name: PGPASSFILE, value: /run/secrets/pgpass}
        - {name: SESSION_COOKIE, value: shop_session}
        - {name: TOKEN, value: $(OTHER)}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {minAvailable: 1, selector: {matchExpressions: [{key: tier, operator: In, values: [front]}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
"""


def outcomes(objects: KubernetesObjects | NotKnown) -> list[Outcome]:
    """What all checks say of objects."""
    return list(judged(Target("cluster", "shop"), CHECKS, {OBJECTS.name: objects}))


def found(objects: KubernetesObjects | NotKnown) -> dict[str, Found]:
    """The findings by check, in which each check has at most one."""
    listed = [each for each in outcomes(objects) if isinstance(each, Found)]
    by_check = {each.check.id.removeprefix("kubernetes-"): each for each in listed}
    assert len(by_check) == len(listed)
    return by_check


def unknown(objects: KubernetesObjects | NotKnown) -> set[str]:
    """Why checks could not be made."""
    return {str(each.reason) for each in outcomes(objects) if isinstance(each, NotChecked)}


def changed(old: str, new: str, text: str = WEB) -> KubernetesObjects:
    """The manifest with a change."""
    assert old in text
    return read_manifests({"web.yaml": text.replace(old, new)})


def test_the_manual() -> None:
    by_check = found(read_manifests({"k8s/deployment.yaml": MANUAL}))
    place = "k8s/deployment.yaml: Deployment/backend"
    assert {name: (each.severity.name, each.finding.subject) for name, each in by_check.items()} == {
        "image-tag": ("HIGH", f"{place} backend"),
        "resources": ("HIGH", f"{place} backend"),
        "readiness-probe": ("HIGH", f"{place} backend"),
        "root": ("MEDIUM", f"{place} backend"),
        "no-disruption-budget": ("MEDIUM", place),
        "no-network-policy": ("MEDIUM", "default"),
    }
    assert str(by_check["image-tag"].finding.evidence) == f"{place} backend: image: lilfox-backend:latest"
    assert by_check["image-tag"].finding.fix.file == "k8s/deployment.yaml"
    assert by_check["image-tag"].finding.fix.lines[-1].strip() == "image: lilfox-backend:VERSION"


def test_what_a_careful_engineer_writes() -> None:
    assert found(read_manifests({"web.yaml": WEB})) == {}
    assert unknown(read_manifests({"web.yaml": WEB})) == set()


KEPT = [
    ("shop/web:1.4.2", "shop/web@sha256:" + "1" * 64),
    ("shop/web:1.4.2", "shop/web:latest@sha256:" + "1" * 64),
    ("shop/web:1.4.2", "r.example:5000/shop/web:1"),
    ("shop/web:1.4.2", "${REGISTRY}/web"),
    ("shop/web:1.4.2", "ko://example.com/web"),
    ("value: shop_session", "value: postgres://app:$(DB_PASSWORD)@db/shop"),
    ("replicas: 2", "replicas: 0"),
    ("replicas: 2", "{replicas: 1, strategy: {type: Recreate}"[1:].replace(", ", "\n  ", 1)),
    (
        "requests: {cpu: 100m}, limits: {memory: 256Mi}",
        "requests: {cpu: 100m, memory: 1Gi}, limits: {memory: 1Gi, cpu: 1}",
    ),
    ("securityContext: {runAsUser: 1000}", "nodeSelector: {kubernetes.io/os: windows}"),
    ("ports: [{containerPort: 8080, name: http}]\n        readinessProbe: {httpGet: {path: /ready, port: http}}", ""),
    (
        "containers:\n",
        "initContainers: [{name: init, image: 'b:1', securityContext: {runAsUser: 0}}]\n      containers:\n",
    ),
    ("containers:\n", "volumes: [{name: unused, hostPath: {path: /}}]\n      containers:\n"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), KEPT)
def test_nothing_is_found(old: str, new: str) -> None:
    assert [str(each.finding.evidence) for each in found(changed(old, new)).values()] == []


TOLD = [
    ("shop/web:1.4.2", "r.example:5000/shop/web", "image-tag", "HIGH"),
    ("requests: {cpu: 100m}, ", "", "resources", "MEDIUM"),
    (", limits: {memory: 256Mi}", "", "resources", "HIGH"),
    ("securityContext: {runAsUser: 1000}", "securityContext: {runAsUser: 0}", "root", "HIGH"),
    ("value: shop_session", "value: postgres://app:hunter2Zq@db/shop", "secret-in-env", "MEDIUM"),
    ("values: [front]", "values: [back]", "no-disruption-budget", "MEDIUM"),
    ("replicas: 2", "replicas: 1", "one-replica", "MEDIUM"),
    ("kind: Deployment", "kind: StatefulSet", "", ""),
    ("policy/v1", "policy/v1beta1", "api-version", "MEDIUM"),
    ("networking.k8s.io/v1", "extensions/v1beta1", "api-version", "MEDIUM"),
]


@pytest.mark.parametrize(("old", "new", "check", "severity"), TOLD)
def test_what_is_found(old: str, new: str, check: str, severity: str) -> None:
    told = {name: each.severity.name for name, each in found(changed(old, new)).items()}
    assert told == ({check: severity} if check else {})


def test_a_probe_for_what_a_service_asks() -> None:
    service = (
        "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
        "spec: {selector: {app: web}, ports: [{port: 80, targetPort: 9000}]}\n"
    )
    bare = "ports: [{containerPort: 8080, name: http}]\n        readinessProbe: {httpGet: {path: /ready, port: http}}"
    told = found(changed(bare, "livenessProbe: {tcpSocket: {port: 9000}}", WEB + service))
    evidence = "web.yaml: Deployment/web web: no readinessProbe; clients use port 9000"
    assert str(told["readiness-probe"].finding.evidence) == evidence
    assert "port: 9000" in "\n".join(told["readiness-probe"].finding.fix.lines)


def test_a_probe_for_a_port_that_only_a_service_names() -> None:
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"}}
    service["spec"] = {"selector": {"app": "web"}, "ports": [{"port": 8080}]}
    bare = "ports: [{containerPort: 8080, name: http}]\n        readinessProbe: {httpGet: {path: /ready, port: http}}"
    files = {
        "web.yaml": WEB.replace(bare, ""),
        "list.yaml": json.dumps({"apiVersion": "v1", "kind": "List", "items": [service]}),
    }
    told = found(read_manifests(files))["readiness-probe"]
    assert str(told.finding.evidence) == "web.yaml: Deployment/web web: no probe at all; clients use port 8080"


def test_a_sidecar_and_ports_for_prometheus_are_not_asked_by_users() -> None:
    proxy = (
        "      - name: proxy\n        image: proxy:1\n        ports: [{containerPort: 8443, name: https}]\n"
        "        resources: {requests: {cpu: 100m}, limits: {memory: 256Mi}}\n---\n"
    )
    assert found(read_manifests({"web.yaml": WEB.replace("---\n", proxy, 1)})) == {}
    headless = (
        "\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
        "spec: {clusterIP: None, selector: {app: web}, ports: [{port: 8080}]}\n"
    )
    assert found(changed("replicas: 2", "replicas: 1", WEB + headless)) == {}
    assert found(changed("clusterIP: None, ", "", (WEB + headless).replace("replicas: 2", "replicas: 1"))) != {}


def test_an_equals_sign_is_a_text() -> None:
    definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {enum: [=, '!=']}\n---"
    assert unknown(read_manifests({"web.yaml": definition + WEB})) == set()


def test_an_autoscaler_decides_how_many_pods_there_are() -> None:
    scaler = (
        "\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web, namespace: shop}\n"
        "spec: {minReplicas: 2, maxReplicas: 9, scaleTargetRef: {kind: Deployment, name: web}}\n"
    )
    assert found(changed("  replicas: 2\n", "", WEB + scaler)) == {}
    told = found(changed("minReplicas: 2", "minReplicas: 1", WEB + scaler))
    assert told["one-replica"].finding.fix.lines == ("spec:", "  minReplicas: 2")


def test_a_limit_range_sets_resources() -> None:
    limits = (
        "\n---\napiVersion: v1\nkind: LimitRange\nmetadata: {name: usual, namespace: shop}\n"
        "spec: {limits: [{type: Container, default: {memory: 1Gi}, defaultRequest: {cpu: 100m, memory: 1Gi}}]}\n"
    )
    assert found(changed("resources: {requests: {cpu: 100m}, limits: {memory: 256Mi}}", "", WEB + limits)) == {}


# What a folder has besides.


def test_templates_of_helm_are_not_passed() -> None:
    files = {
        "chart/Chart.yaml": "apiVersion: v2\nname: web\n",
        "chart/templates/web.yaml": WEB.replace("replicas: 2", "replicas: {{ .Values.replicas }}"),
        "other.yaml": WEB,
    }
    assert unknown(read_manifests(files)) == {
        "1 template of Helm is not read: name a folder with the output of helm template"
    }
    rules = (
        "kind: ConfigMap\napiVersion: v1\nmetadata: {name: rules}\ndata: {a: '{{ $labels.job }} kind: Deployment'}\n"
    )
    assert unknown(read_manifests({"rules.yaml": rules + "---\n" + WEB})) == set()


def test_kustomize_sets_tags_and_patches() -> None:
    files = {
        "base/web.yaml": WEB.replace("shop/web:1.4.2", "shop/web"),
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "prod/kustomization.yaml": "resources: [../base]\nimages: [{name: shop/web, newTag: 1.4.2}]\n",
    }
    assert found(read_manifests(files)) == {}
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n"
    files["prod/patch.yaml"] = patch
    files["prod/kustomization.yaml"] += "patches: [{path: patch.yaml}]\n"
    assert unknown(read_manifests(files)) == {
        "1 object is patched by kustomize: name a folder with the output of kubectl kustomize"
    }
    inline = {"patches": [{"target": {"kind": "Deployment"}, "patch": "- op: remove\n  path: /spec/replicas\n"}]}
    files = {"web.yaml": WEB, "kustomization.yaml": yaml.safe_dump(inline)}
    assert len(unknown(read_manifests(files))) == 1


BOMBS = {
    "aliases": "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
    "depth": "[" * 5000,
    "itself": "&a [*a]\n",
    "no YAML": "a: [",
    "another tag": "a: !!python/object/apply:os.system ['true']\n",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_is_no_good_is_not_passed(bomb: str) -> None:
    objects = read_manifests({"bomb.yaml": "kind: Deployment\n" + BOMBS[bomb], "web.yaml": WEB})
    assert unknown(objects) == {"bomb.yaml is not valid YAML"}


def test_merge_keys_do_not_multiply() -> None:
    lines = [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}\n" for n in range(1, 12)]
    bomb = "kind: Deployment\nm0: &m0 {a: 1, b: 2}\n" + "".join(lines)
    assert found(read_manifests({"bomb.yaml": bomb, "web.yaml": WEB})) == {}


async def test_a_folder_that_is_missing_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unknown(await gather_manifests(tmp_path / "nosuch")) == {f"{tmp_path / 'nosuch'}: no such folder"}
    assert outcomes(await gather_manifests(tmp_path)) == []
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "ci.yaml").write_text(MANUAL)
    (tmp_path / "link.yaml").symlink_to("/etc/passwd")
    assert found(await gather_manifests(tmp_path)) == {}
    monkeypatch.setattr(kubernetes, "MOST_BYTES", 10)
    assert unknown(await gather_manifests(tmp_path)) == {f"{tmp_path} has too many files: name a folder further down"}


def test_the_folder_is_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("hosts: {web: {local: true}}\naudit: {manifests: k8s, clusters: {shop: {host: web}, eu: {}}}\n")
    file.chmod(0o600)
    config = load(file).config
    assert config.audit.manifests == str(tmp_path / "k8s")
    named = {(each.kind, each.name) for each in targets_of(config)["kubernetes"]}
    assert named == {("cluster", "shop"), ("cluster", "eu"), ("manifests", "k8s")}
    assert [each.name for each in targets_of(config, ["web"])["kubernetes"]] == ["shop"]
    file.write_text("audit: {clusters: {shop: {host: nosuch}, eu: {context: --kubeconfig=x}}}\n")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert "audit.clusters.eu.context" in str(error.value)


# What kubectl prints.


def printed(*documents: Mapping[str, Any], status: int = 0, stderr: str = "") -> Completed:
    """What ``kubectl get`` printed."""
    return Completed((), status, None, json.dumps({"items": documents}).encode(), stderr.encode())


def cluster(*documents: Mapping[str, Any], namespaces: Sequence[str] = (), release: str = "31+") -> KubernetesObjects:
    """The objects that a cluster has."""
    version = Completed((), 0, None, json.dumps({"serverVersion": {"major": "1", "minor": release}}).encode(), b"")
    objects = read_cluster(("kubectl",), namespaces, version, [printed(*documents)], "web-1")
    assert isinstance(objects, KubernetesObjects)
    return objects


DOCUMENTS: list[dict[str, Any]] = list(yaml.safe_load_all(WEB))


def managed(**metadata: Any) -> KubernetesObjects:
    """A Deployment without a memory limit that something manages."""
    document = json.loads(json.dumps(DOCUMENTS[0]))
    document["metadata"] |= metadata
    del document["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
    return cluster(document, *DOCUMENTS[1:])


MANAGERS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm manages the object"),
    ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD manages the object"),
    ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux manages the object"),
    ({"ownerReferences": [{"kind": "Shop", "name": "eu"}]}, "Shop/eu manages the object"),
]


@pytest.mark.parametrize(("metadata", "told"), MANAGERS)
def test_a_fix_says_what_would_undo_it(metadata: dict[str, Any], told: str) -> None:
    fix = found(managed(**metadata))["resources"].finding.fix
    assert told in str(fix.text)
    assert (" manages the object" in str(fix.text)) == bool(told)
    assert fix.commands == (
        "kubectl -n shop set resources deployment/web -c web --requests=memory=128Mi --limits=memory=256Mi",
    )


def test_what_belongs_to_another_object_or_to_the_system_is_left_out() -> None:
    owned = managed(ownerReferences=[{"kind": "Deployment", "name": "web"}])
    assert found(owned) == {}
    system = json.loads(json.dumps(DOCUMENTS[0]).replace('"shop"', '"kube-system"'))
    assert cluster(system).objects == ()
    assert len(cluster(system, namespaces=["kube-system"]).objects) == 1


def test_other_policies_than_those_of_kubernetes_count() -> None:
    web, budget, _policy = DOCUMENTS
    assert set(found(cluster(web, budget))) == {"no-network-policy"}
    calico = {"kind": "NetworkPolicy", "apiVersion": "crd.projectcalico.org/v1", "metadata": {"namespace": "shop"}}
    wide = {"kind": "CiliumClusterwideNetworkPolicy", "metadata": {"name": "all"}}
    for policy in (calico, {"kind": "CiliumNetworkPolicy", "metadata": {"namespace": "shop"}}, wide):
        assert found(cluster(web, budget, policy)) == {}


def test_a_version_is_judged_for_the_release_of_the_server() -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": '{"apiVersion": "policy/v1beta1"}'}
    budget = {**DOCUMENTS[1], "metadata": {"name": "web", "namespace": "shop", "annotations": applied}}
    told = {release: found(cluster(DOCUMENTS[0], budget, DOCUMENTS[2], release=release)) for release in ("20", "21")}
    assert (told["20"], list(told["21"])) == ({}, ["api-version"])
    written = [{"manager": "helm", "apiVersion": "policy/v1beta1"}, {"manager": "x", "apiVersion": "policy/v1"}]
    budget["metadata"] = {"name": "web", "namespace": "shop", "managedFields": written}
    by_helm = found(cluster(DOCUMENTS[0], budget, DOCUMENTS[2], release="24"))["api-version"].finding
    assert by_helm.fix.commands == ()
    assert by_helm.fix.lines[0] == "apiVersion: policy/v1"
    (unclear,) = unknown(cluster(DOCUMENTS[0], release="?"))
    assert unclear == "kubectl version does not tell the release of the server"
    assert all(old.deprecated < old.removed for old in OLD_VERSIONS.values())


def test_output_that_is_no_json_is_not_known() -> None:
    answer = Completed((), 0, None, b"<html>", b"")
    assert isinstance(read_cluster(("kubectl",), (), answer, [answer], "web-1"), NotKnown)


def test_a_kubectl_that_fails_half_way_is_not_passed() -> None:
    answer = printed(*DOCUMENTS, status=1, stderr="Unable to connect to the server: password=hunter2Zq EOF\n")
    objects = read_cluster(("kubectl",), (), answer, [answer], "web-1")
    assert {"hunter2" in reason for reason in unknown(objects)} == {False}
    assert len([each for each in outcomes(objects) if isinstance(each, NotChecked)]) == len(CHECKS)


KEYS = st.sampled_from(
    ["kind", "metadata", "name", "spec", "template", "containers", "image", "env", "value", "ports", "volumes",
     "hostPath", "path", "securityContext", "resources", "limits", "selector", "matchLabels", "replicas", "labels",
     "capabilities", "add", "readinessProbe", "initContainers", "strategy", "rollingUpdate", "maxUnavailable"]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(ANYTHING, max_size=3), ANYTHING, st.sampled_from(["Deployment", "DaemonSet", "CronJob", "Service"]))
def test_no_document_ends_the_audit(containers: list[Any], anything: Any, kind: str) -> None:
    pod = {
        "metadata": anything,
        "spec": {"containers": [*containers, {"name": "x", "image": anything, "env": anything}]},
    }
    document = {"kind": kind, "metadata": {"name": anything}, "spec": {"template": pod, "selector": anything}}
    for each in (
        {**DOCUMENTS[0], "spec": anything},
        document,
        {"kind": kind, "spec": {"jobTemplate": {"spec": document}}},
    ):
        for file in ("web.yaml", ""):
            made = KubernetesObject(each, file, version="apps/v1")
            other = KubernetesObject({**DOCUMENTS[1], "spec": anything}, file, version="policy/v1")
            outcomes(KubernetesObjects((made, other), release=None if file else (1, 31)))


def test_severities_of_agents_of_nodes() -> None:
    agent = WEB.replace("kind: Deployment", "kind: DaemonSet").replace(
        "image: shop/web:1.4.2", "image: shop/web:1.4.2\n        securityContext: {privileged: true}"
    )
    (each,) = found(read_manifests({"web.yaml": agent})).values()
    assert (each.check.id, each.severity) == ("kubernetes-privileged", AuditSeverity.LOW)
