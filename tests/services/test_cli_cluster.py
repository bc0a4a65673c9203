"""``lilfox cluster`` on a stand-in for a cluster, with the real kubectl: what is shown, asked, made and refused."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.services.cluster_desk import cluster, serving
from tests.services.kube_cluster import KubeCluster
from tests.services.lilfox_command import LILFOX, lilfox
from tests.unit.jobs.running import jobs

__all__ = ["cluster", "jobs"]
pytestmark = pytest.mark.usefixtures("jobs")


@pytest.fixture
def config(tmp_path: Path, cluster: KubeCluster) -> Path:
    return written(tmp_path, cluster)


def written(folder: Path, cluster: KubeCluster, *names: str, **more: Any) -> Path:
    """A configuration with clusters of these names, which are all the same one."""
    of_cluster = {"kubeconfig": str(cluster.kubeconfig), "context": "shop-prod", **more}
    path = folder / "config.yaml"
    path.write_text(json.dumps({"clusters": dict.fromkeys(names or ("shop",), of_cluster)}))
    path.chmod(0o600)
    return path


def run(config: Path, *argv: str, stdin: str | None = None) -> tuple[int, str]:
    """Exit code and what was printed."""
    done = lilfox("--config", config, "cluster", *argv, stdin=stdin)
    return done.returncode, done.stdout + done.stderr


def test_what_would_happen_is_shown_and_nothing_is_changed(config: Path, cluster: KubeCluster) -> None:
    serving(cluster, "shown", replicas=1)
    code, said = run(config, "image", "shown", "shop/web:1.1", "--dry-run")
    assert code == 0
    title, *lines = said.splitlines()
    assert title == "update deployment/shown in shop on shop-prod to shop/web:1.1"
    assert [line.split(maxsplit=1)[0] for line in lines] == ["host", "runs", "changes", "changes", "undo"]
    assert "--context=shop-prod --namespace=shop" in lines[1]
    assert lines[1].endswith("set image deployment/shown shown=shop/web:1.1")
    assert lines[2].endswith("image of shown: shop/web:1.0 → shop/web:1.1")
    assert lines[4].endswith("rollout undo deployment/shown --to-revision=1")
    assert cluster.get("deployments", "shown")["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/web:1.0"


def test_in_production_the_context_is_named_or_nothing_is_changed(config: Path, cluster: KubeCluster) -> None:
    code, said = run(config, "cordon", "node-1", "--yes")
    assert (code, "nobody has confirmed it, and nothing was changed" in said) == (2, True)
    assert "add --yes and --context shop-prod" in said
    code, said = run(config, "cordon", "node-1", "--yes", "--context", "shop-staging")
    assert (code, "cluster shop is the context shop-prod, not shop-staging" in said) == (1, True)
    code, said = run(config, "--read-only", "cordon", "node-1", "--yes", "--context", "shop-prod")
    assert (code, "read-only mode" in said) == (1, True), said
    assert not cluster.get("nodes", "node-1")["spec"].get("unschedulable")
    code, said = run(config, "cordon", "node-1", "--yes", "--context", "shop-prod")
    assert (code, "ok: node node-1 is cordoned" in said) == (0, True), said
    assert cluster.get("nodes", "node-1")["spec"]["unschedulable"] is True
    cluster.kubectl("uncordon", "node-1")


def test_at_a_terminal_the_word_is_typed(tmp_path: Path, cluster: KubeCluster) -> None:
    for context, typed, made in (("shop-prod", "yes", False), ("shop-prod", "shop-prod", True)):
        config = written(tmp_path, cluster, context=context)
        main, other = os.openpty()
        with subprocess.Popen([*LILFOX, "--config", str(config), "cluster", "cordon", "node-2"], stdin=other,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:  # fmt: skip
            os.close(other)
            assert process.stdout is not None
            said = ""
            while "To confirm, type the name of the context, shop-prod:" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            os.write(main, f"{typed}\n".encode())
            said += process.stdout.read()
        os.close(main)
        assert process.returncode == (0 if made else 1), said
        assert (cluster.get("nodes", "node-2")["spec"].get("unschedulable") is True) is made
        assert ("nothing was changed" in said) is not made
    cluster.kubectl("uncordon", "node-2")


def test_revisions_are_listed_and_one_that_is_not_there_is_refused(config: Path, cluster: KubeCluster) -> None:
    serving(cluster, "past", replicas=1, cause="first")
    cluster.set_image("past", "shop/web:1.1", cause="second")
    cluster.settle("past")
    code, said = run(config, "history", "deployment/past")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == ["2", "1"]
    assert [line.split()[-2:] for line in said.splitlines()] == [
        ["past=shop/web:1.1", "second"], ["past=shop/web:1.0", "first"],
    ]  # fmt: skip
    code, said = run(config, "undo", "past", "9", "--dry-run")
    assert (code, said) == (2, "lilfox: deployment/past has no revision 9\n  hint: one of: 1\n")


def test_a_program_in_a_container_is_a_command_to_paste(config: Path, cluster: KubeCluster) -> None:
    serving(cluster, "in", replicas=1)
    pod = cluster.pods("in")[0]["metadata"]["name"]
    code, said = run(config, "exec", pod, "-c", "in", "--run", "echo 'a  b;c'")
    assert code == 0, said
    argv = shlex.split(said)
    assert argv[-3:] == ["--", "echo", "a  b;c"]
    assert run(config, "exec", pod, "--run", "echo '")[0] == 2
    done = subprocess.run([word for word in argv if word != "--tty"], capture_output=True, text=True, check=True,
                          stdin=subprocess.DEVNULL)  # fmt: skip
    assert done.stdout == "a  b;c\n"


def test_one_of_several_clusters_is_named(tmp_path: Path, cluster: KubeCluster) -> None:
    config = written(tmp_path, cluster, "one", "two")
    code, said = run(config, "cordon", "node-1")
    assert (code, "the configuration names several clusters" in said, "one of one, two" in said) == (2, True, True)
    code, said = run(config, "cordon", "node-1", "--cluster", "three")
    assert (code, "three: no such cluster in the config" in said) == (2, True)
    assert run(config, "cordon", "node-1", "--cluster", "two", "--dry-run")[0] == 0
    config.write_text("{}")
    code, said = run(config, "cordon", "node-1")
    assert (code, "the configuration names no clusters" in said) == (2, True)
