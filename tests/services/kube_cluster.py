"""A stand-in for a cluster of Kubernetes, with controllers and nodes, that the real kubectl talks to. There is no real
one for the machines of these tests.

    with kube_cluster() as cluster:
        cluster.apply(deployment("web", image="shop/web:1"))
        cluster.settle()
        cluster.kubectl("rollout", "status", "deployment/web", "-n", "shop")
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.services.kube_cluster_controllers import Controllers, pod_ready, with_defaults
from tests.services.kube_cluster_http import ApiServer, ApiState
from tests.services.kube_cluster_kubelet import Kubelet, Speed, node
from tests.services.kube_cluster_store import Object, Store, kind_of
from tests.waiting import wait_for

TICK_S = 0.03
TOKEN = "t0ken-of-the-kubeconfig"
NODES = ("node-1", "node-2", "node-3")


def deployment(
    name: str = "web",
    *,
    image: str = "shop/web:1.0",
    replicas: int = 3,
    namespace: str = "shop",
    cause: str = "",
    kind: str = "Deployment",
    pod: Mapping[str, Any] | None = None,
    container: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """The manifest of a workload: ``spec``, ``pod`` and ``container`` add to its parts."""
    labels = {"app": name}
    containers = [{"name": name, "image": image, **(container or {})}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **(pod or {})}}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    metadata |= {"annotations": {"kubernetes.io/change-cause": cause}} if cause else {}
    counted = {} if kind == "DaemonSet" else {"replicas": replicas}
    return {
        "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
        "spec": {"selector": {"matchLabels": labels}, "template": template, **counted, **spec},
    }  # fmt: skip


class KubeCluster:
    """The cluster. Its controllers run from ``start`` to ``end``; its API can be stopped and started between."""

    def __init__(self, folder: Path, *, nodes: tuple[str, ...] = NODES, speed: Speed | None = None) -> None:
        self.folder = folder
        self.store = Store()
        self.kubelet = Kubelet(self.store, speed or Speed())
        (folder / "rootfs").mkdir()
        self.state = ApiState(self.store, self.kubelet, folder=str(folder / "rootfs"))
        self._controllers = Controllers(self.store)
        self.port = free_port()
        self._api: ApiServer | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.fault: BaseException | None = None
        for name in nodes:
            self.store.put("nodes", node(name))
        for name in ("default", "kube-system", "shop"):
            self._namespace(name)
        self.kubeconfig = folder / "kubeconfig"
        self.use_context("shop-prod")

    # Its life.

    def start(self) -> None:
        """Starts controllers and API."""
        self.start_api()
        self._thread.start()

    def end(self) -> None:
        """Ends everything; says what went wrong in the controllers."""
        self._over.set()
        self.stop_api()
        self._thread.join()
        if self.fault is not None:
            raise self.fault

    def _run(self) -> None:
        try:
            while not self._over.wait(TICK_S):
                with self.store.changed:
                    self._controllers.tick()
                    self.kubelet.tick()
        except BaseException as error:  # shown by the test at its end
            self.fault = error

    def start_api(self) -> None:
        """Has the API answer, on the port that it had."""
        self._api = ApiServer(self.port, self.state)

    def stop_api(self) -> None:
        """Cuts all connections; nobody listens until it is started. What runs on the nodes runs on."""
        if self._api is not None:
            self._api.end()
            self._api = None

    def cut(self) -> None:
        """Cuts all connections to the API, which goes on."""
        assert self._api is not None
        self._api.cut()

    def silence(self, silent: bool = True) -> None:
        """Has the API take requests and answer none of them."""
        assert self._api is not None
        (self._api.answers.clear if silent else self._api.answers.set)()

    # What the test does with it.

    def use_context(self, current: str) -> None:
        """Writes the kubeconfig; ``current`` is its current context."""
        clusters = [
            {"name": name, "cluster": {"server": f"http://127.0.0.1:{self.port}"}} for name in ("prod", "staging")
        ]
        contexts = [
            {"name": f"shop-{name}", "context": {"cluster": name, "user": "admin", "namespace": "shop"}}
            for name in ("prod", "staging")
        ]
        user = {"name": "admin", "user": {"token": TOKEN}}
        made = {"apiVersion": "v1", "kind": "Config", "clusters": clusters, "contexts": contexts, "users": [user]}
        self.kubeconfig.write_text(json.dumps({**made, "current-context": current}))
        self.kubeconfig.chmod(0o600)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a kubectl that talks to it."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.folder / "cache")}

    def kubectl(self, *words: str, ok: bool = True, stdin: str = "", timeout_s: float = 60) -> str:
        """What the real kubectl prints; with ``ok`` false its complaint too, whatever it ended with."""
        done = subprocess.run(
            ["kubectl", *words],
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not ok or done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout if ok else done.stdout + done.stderr

    def _namespace(self, name: str) -> None:
        if ("namespaces", "", name) not in self.store.objects:
            self.store.put("namespaces", {"metadata": {"name": name}, "status": {"phase": "Active"}})

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Keeps manifests, as ``kubectl apply`` would; without a namespace in ``shop``."""
        with self.store.changed:
            for each in documents:
                kind = kind_of(each)
                metadata = dict(each["metadata"])
                if kind.namespaced:
                    self._namespace(metadata.setdefault("namespace", "shop"))
                key = (kind.resource, metadata.get("namespace", "") if kind.namespaced else "", metadata["name"])
                before = self.store.objects.get(key, {})
                kept = {**before.get("metadata", {}), **metadata}
                kept["annotations"] = {
                    **before.get("metadata", {}).get("annotations", {}),
                    **metadata.get("annotations", {}),
                }
                status = {"status": before["status"]} if "status" in before else {}
                self.store.put(kind.resource, with_defaults({**each, "metadata": kept, **status}))

    def get(self, resource: str, name: str, namespace: str = "shop") -> Object:
        """An object as it is now."""
        with self.store.changed:
            return self.store.objects[resource, namespace if resource != "nodes" else "", name]

    def pods(self, name: str = "", namespace: str = "shop") -> list[Object]:
        """The pods with the label ``app`` of that name, or all."""
        with self.store.changed:
            found = self.store.of("pods", namespace)
        return [each for each in found if name in ("", each["metadata"].get("labels", {}).get("app"))]

    def change(self, resource: str, name: str, change: Callable[[Object], Object], namespace: str = "shop") -> None:
        """Keeps an object as ``change`` makes it."""
        with self.store.changed:
            self.store.put(resource, with_defaults(change(self.get(resource, name, namespace))))

    def set_image(self, name: str, image: str, *, cause: str = "", namespace: str = "shop") -> None:
        """Gives the first container of a Deployment another image, and the change its cause."""

        def changed(made: Object) -> Object:
            template = made["spec"]["template"]
            first, *others = template["spec"]["containers"]
            pod = {**template["spec"], "containers": [{**first, "image": image}, *others]}
            metadata = dict(made["metadata"])
            if cause:
                said = {"kubernetes.io/change-cause": cause}
                metadata["annotations"] = {**metadata.get("annotations", {}), **said}
            return {**made, "metadata": metadata, "spec": {**made["spec"], "template": {**template, "spec": pod}}}

        self.change("deployments", name, changed, namespace)

    def set_node(self, name: str, kind: str = "Ready", *, status: bool, reason: str = "", message: str = "") -> None:
        """Gives a condition of a node its status: Ready false is one whose kubelet has stopped."""

        def changed(made: Object) -> Object:
            conditions = [
                {**each, "status": str(status), "reason": reason or each["reason"], "message": message}
                if each["type"] == kind
                else each
                for each in made["status"]["conditions"]
            ]
            return {**made, "status": {**made["status"], "conditions": conditions}}

        self.change("nodes", name, changed)

    def say(self, pod: str, *texts: str, container: str = "", namespace: str = "shop", stamp_ns: int = 0) -> None:
        """Has a container write lines, now or at another time."""
        with self.store.changed:
            made = self.get("pods", pod, namespace)
            name = container or made["spec"]["containers"][0]["name"]
            self.kubelet.say(made["metadata"]["uid"], name, *texts, stamp_ns=stamp_ns)

    @property
    def written(self) -> dict[tuple[str, str, str], list[str]]:
        """All lines that each container ever wrote, of gone pods too: by namespace, pod, container."""
        with self.store.changed:
            return {key: list(lines) for key, lines in self.kubelet.written.items()}

    def settle(self, name: str = "", namespace: str = "shop", *, kind: str = "deployments") -> None:
        """Waits until a Deployment, or all of the namespace, has what it wants and nothing more."""

        def is_settled() -> bool:
            self._look()
            with self.store.changed:
                found = [each for each in self.store.of(kind, namespace) if name in ("", each["metadata"]["name"])]
                return all(map(self._is_settled, found))

        wait_for(is_settled, what=f"{name or namespace} has settled")

    def _is_settled(self, made: Object) -> bool:
        namespace, wanted, status = made["metadata"]["namespace"], made["spec"]["replicas"], made.get("status", {})
        selector = made["spec"]["selector"]["matchLabels"].items()
        pods = [
            each for each in self.store.of("pods", namespace) if selector <= each["metadata"].get("labels", {}).items()
        ]
        is_seen = status.get("observedGeneration") == made["metadata"]["generation"]
        is_new = status.get("updatedReplicas", 0) == wanted
        return is_seen and is_new and len(pods) == wanted and all(map(pod_ready, pods))

    def until(self, predicate: Callable[[], object], *, what: str = "", timeout_s: float = 60) -> None:
        """Waits until something is so."""

        def is_so() -> bool:
            self._look()
            return bool(predicate())

        wait_for(is_so, what=what, timeout_s=timeout_s)

    def _look(self) -> None:
        if self.fault is not None:
            raise self.fault


@contextlib.contextmanager
def kube_cluster(*, nodes: tuple[str, ...] = NODES, speed: Speed | None = None) -> Iterator[KubeCluster]:
    """A cluster that is gone afterwards. Skips the test where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = Path(tempfile.mkdtemp(prefix="lilfox-kube-"))
    folder.chmod(0o755)
    cluster = KubeCluster(folder, nodes=nodes, speed=speed)
    try:
        cluster.start()
        yield cluster
    finally:
        try:
            cluster.end()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
