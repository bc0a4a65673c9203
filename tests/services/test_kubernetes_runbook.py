"""The bundled rolling update of a Deployment, with the real kubectl on a stand-in for a cluster."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.services.cluster_desk import cluster, serving
from tests.services.kube_cluster import KubeCluster
from tests.services.lilfox_command import lilfox
from tests.unit.jobs.running import jobs

__all__ = ["cluster", "jobs"]


@pytest.fixture
def here(tmp_path: Path, cluster: KubeCluster, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration, on a machine whose kubectl knows the cluster; another of its contexts is current."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    config = tmp_path / "config.yaml"
    config.write_text("hosts: {here: {local: true}}\n")
    config.chmod(0o600)
    return config


def update(config: Path, name: str, image: str, seconds: int, *words: str) -> subprocess.CompletedProcess[str]:
    values = {"context": "shop-staging", "namespace": "shop", "deployment": name, "container": name, "image": image,
              "seconds": str(seconds)}  # fmt: skip
    given = [word for key, value in values.items() for word in ("--var", f"{key}={value}")]
    run = ("runbook", "run", "rolling-update-kubernetes", "--host", "here", "--yes", *given, *words)
    return lilfox("--config", config, *run)


def image_of(cluster: KubeCluster, name: str) -> str:
    return str(cluster.get("deployments", name)["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_deployment_is_updated(here: Path, cluster: KubeCluster) -> None:
    serving(cluster, "web", replicas=2)
    done = update(here, "web", "shop/web:1.1", 60)
    assert done.returncode == 0, done.stderr
    assert "context=shop-staging" in done.stdout
    assert "revision=1" in done.stdout
    assert image_of(cluster, "web") == "shop/web:1.1"


def test_one_that_fails_lists_its_pods_and_goes_back(here: Path, cluster: KubeCluster) -> None:
    serving(cluster, "api", replicas=2)
    done = update(here, "api", "shop/api:missing", 2, "--on-failure", "undo")
    assert done.returncode == 1, done.stderr
    assert "ImagePull" in done.stdout + done.stderr, done.stdout
    assert image_of(cluster, "api") == "shop/web:1.0"
