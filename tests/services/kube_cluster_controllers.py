"""The controllers of the stand-in for a cluster: Deployments and their ReplicaSets, StatefulSets, DaemonSets,
disruption budgets, and what goes with its owner. Small, and in what is written here as Kubernetes does it."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from tests.services.kube_cluster_kubelet import is_ready
from tests.services.kube_cluster_store import Object, Store, now_text, owned_by, owner_uid, selects

REVISION = "deployment.kubernetes.io/revision"
_HISTORY = "deployment.kubernetes.io/revision-history"
_NOT_COPIED = (REVISION, _HISTORY, "kubectl.kubernetes.io/last-applied-configuration")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def short_hash(value: object, length: int = 10) -> str:
    """As the hashes in names: of letters without vowels."""
    number = int.from_bytes(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest(), "big")
    return "".join(_LETTERS[number // len(_LETTERS) ** at % len(_LETTERS)] for at in range(length))


def pod_ready(pod: Object) -> bool:
    """Whether a pod takes part."""
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod.get("status", {}).get("conditions", [])
    )


def _counts(pod: Object) -> bool:
    return not pod["metadata"].get("deletionTimestamp") and pod.get("status", {}).get("phase") not in (
        "Succeeded", "Failed",
    )  # fmt: skip


def _share(value: int | str, of: int, rounded: Callable[[float], int]) -> int:
    return rounded(of * int(value.rstrip("%")) / 100) if isinstance(value, str) else value


def with_defaults(made: Object) -> Object:
    """A workload with what a server adds to it."""
    if made.get("kind") not in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"):
        return made
    spec = dict(made["spec"])
    template = _pruned(spec["template"])
    template["spec"] = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, **template["spec"]}
    spec["template"] = template
    if made["kind"] != "DaemonSet":
        spec.setdefault("replicas", 1)
    if made["kind"] == "Deployment":
        spec = {"progressDeadlineSeconds": 600, "revisionHistoryLimit": 10, **spec}
        strategy = dict(spec.get("strategy") or {})
        if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
            rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
            strategy["rollingUpdate"] = {**rolling, **(strategy.get("rollingUpdate") or {})}
        spec["strategy"] = strategy
    elif made["kind"] != "ReplicaSet":
        update = {"type": "RollingUpdate"} | (
            {"rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}} if made["kind"] == "DaemonSet" else {}
        )
        spec.setdefault("updateStrategy", update)
    return {**made, "spec": spec}


def _pruned(value: Any) -> Any:
    """Without what typed clients send of fields that are not set."""
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _pruned(each) for key, each in value.items() if each is not None and (key, each) != ("resources", {})}


class Controllers:
    """All of them. ``tick`` is called under the store's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._progress: dict[str, tuple[object, float]] = {}
        """By the Deployment's uid: what was counted last, and when that changed."""
        self._ready_since: dict[str, float] = {}
        self._made = 0

    def tick(self) -> None:
        """Lets all controllers look once."""
        ready = {each["metadata"]["uid"] for each in self._store.of("pods") if pod_ready(each)}
        now = time.monotonic()
        self._ready_since = {uid: self._ready_since.get(uid, now) for uid in ready}
        for deployment in self._store.of("deployments"):
            self._deployment(deployment)
        for replicas in self._store.of("replicasets"):
            self._replicas(replicas)
        for each in self._store.of("statefulsets"):
            self._stateful(each)
        for each in self._store.of("daemonsets"):
            self._daemons(each)
        for each in self._store.of("poddisruptionbudgets"):
            self._budget(each)
        self._collect()

    # Deployments.

    def _deployment(self, made: Object) -> None:
        owned = self._store.children(made, "replicasets")
        template = made["spec"]["template"]
        newest = next((each for each in owned if _template(each) == template), None)
        is_paused = made["spec"].get("paused", False)
        if newest is None and not is_paused:
            newest = self._new_replicas(made)
        if newest is not None:
            newest = self._number(made, newest, owned)
            made = self._store.objects["deployments", made["metadata"]["namespace"], made["metadata"]["name"]]
        old = [each for each in owned if newest is None or each["metadata"]["uid"] != newest["metadata"]["uid"]]
        if newest is not None and not is_paused:
            if made["spec"]["strategy"]["type"] == "Recreate":
                self._recreate(made, newest, old)
            else:
                self._roll(made, newest, old)
            self._forget(made, old)
        elif newest is not None and not any(each["spec"]["replicas"] for each in old):
            self._scale(made, newest, made["spec"]["replicas"])
        self._tell(made, newest, [*old, *([newest] if newest else [])])

    def _new_replicas(self, made: Object) -> Object:
        hashed = short_hash(made["spec"]["template"])
        labels = {**made["spec"]["template"]["metadata"].get("labels", {}), "pod-template-hash": hashed}
        template = {**made["spec"]["template"], "metadata": {**made["spec"]["template"]["metadata"], "labels": labels}}
        selector = made["spec"]["selector"]
        selector = {**selector, "matchLabels": {**selector.get("matchLabels", {}), "pod-template-hash": hashed}}
        metadata = made["metadata"]
        return self._store.put(
            "replicasets",
            {
                "metadata": {
                    "name": f"{metadata['name']}-{hashed}", "namespace": metadata["namespace"], "labels": labels,
                    "ownerReferences": owned_by(made),
                },
                "spec": {"replicas": 0, "selector": selector, "template": template},
                "status": {"replicas": 0},
            },
        )  # fmt: skip

    def _number(self, made: Object, newest: Object, owned: list[Object]) -> Object:
        """Gives the newest its revision, and what the Deployment says of it."""
        own = newest["metadata"].get("annotations", {})
        others = [_revision(each) for each in owned if each["metadata"]["uid"] != newest["metadata"]["uid"]]
        revision = max(_revision(newest), max(others, default=0) + 1)
        said = {key: each for key, each in made["metadata"].get("annotations", {}).items() if key not in _NOT_COPIED}
        annotations = {**own, **said, REVISION: str(revision)}
        annotations["deployment.kubernetes.io/desired-replicas"] = str(made["spec"]["replicas"])
        if _revision(newest) not in (0, revision):
            annotations[_HISTORY] = ",".join(filter(None, (own.get(_HISTORY, ""), own[REVISION])))
        newest = self._store.put(
            "replicasets", {**newest, "metadata": {**newest["metadata"], "annotations": annotations}}
        )
        annotations = {**made["metadata"].get("annotations", {}), REVISION: str(revision)}
        self._store.put("deployments", {**made, "metadata": {**made["metadata"], "annotations": annotations}})
        return newest

    def _recreate(self, made: Object, newest: Object, old: list[Object]) -> None:
        for each in old:
            self._scale(made, each, 0)
        if not any(self._store.children(each, "pods") for each in old):
            self._scale(made, newest, made["spec"]["replicas"])

    def _roll(self, made: Object, newest: Object, old: list[Object]) -> None:
        wanted, rolling = made["spec"]["replicas"], made["spec"]["strategy"]["rollingUpdate"]
        surge = _share(rolling["maxSurge"], wanted, math.ceil)
        unavailable = _share(rolling["maxUnavailable"], wanted, math.floor)
        unavailable = unavailable or (0 if surge else 1)
        total = sum(each["spec"]["replicas"] for each in [newest, *old])
        new_count = newest["spec"]["replicas"]
        if new_count > wanted:
            self._scale(made, newest, wanted)
            return
        if new_count < wanted and (room := wanted + surge - total) > 0:
            self._scale(made, newest, min(wanted, new_count + room))
            return
        spare = total - (wanted - unavailable) - (new_count - self._available(newest))
        for each in sorted(old, key=_revision):  # those that are not available go first
            broken = each["spec"]["replicas"] - self._available(each)
            if (count := min(broken, spare)) > 0:
                self._scale(made, each, each["spec"]["replicas"] - count)
                spare -= count
        old = [self._now(each) for each in old]
        spare = sum(map(self._available, [newest, *old])) - (wanted - unavailable)
        for each in sorted(old, key=_revision):
            if (count := min(each["spec"]["replicas"], spare)) > 0:
                self._scale(made, each, each["spec"]["replicas"] - count)
                spare -= count

    def _now(self, made: Object) -> Object:
        return self._store.objects["replicasets", made["metadata"]["namespace"], made["metadata"]["name"]]

    def _available(self, replicas: Object) -> int:
        least = replicas["spec"].get("minReadySeconds", 0)
        pods = [each for each in self._store.children(replicas, "pods") if _counts(each)]
        return sum(self._is_available(each, least) for each in pods)

    def _is_available(self, pod: Object, least_s: float = 0) -> bool:
        since = self._ready_since.get(pod["metadata"]["uid"])
        return since is not None and time.monotonic() - since >= least_s

    def _scale(self, made: Object, replicas: Object, count: int) -> None:
        replicas = self._now(replicas)
        before = replicas["spec"]["replicas"]
        if before == count:
            return
        self._store.put("replicasets", {**replicas, "spec": {**replicas["spec"], "replicas": count}})
        way = "up" if count > before else "down"
        said = f"Scaled {way} replica set {replicas['metadata']['name']} from {before} to {count}"
        self._store.event(made, "ScalingReplicaSet", said, by="deployment-controller")

    def _forget(self, made: Object, old: list[Object]) -> None:
        """Removes revisions past the limit."""
        empty = [each for each in map(self._now, old) if not each["spec"]["replicas"]]
        for each in sorted(empty, key=_revision)[: max(0, len(empty) - made["spec"]["revisionHistoryLimit"])]:
            if not self._store.children(each, "pods"):
                self._store.remove(("replicasets", each["metadata"]["namespace"], each["metadata"]["name"]))

    def _tell(self, made: Object, newest: Object | None, owned: list[Object]) -> None:
        """Writes the status."""
        spec, wanted = made["spec"], made["spec"]["replicas"]
        pods = [each for one in owned for each in self._store.children(one, "pods") if _counts(each)]
        least = spec.get("minReadySeconds", 0)
        available = sum(self._is_available(each, least) for each in pods)
        updated = [each for each in pods if newest and owner_uid(each) == newest["metadata"]["uid"]]
        status: Object = {"observedGeneration": made["metadata"]["generation"], "replicas": len(pods)}
        status |= {"updatedReplicas": len(updated), "readyReplicas": sum(map(pod_ready, pods))}
        status |= {"availableReplicas": available, "unavailableReplicas": max(0, wanted - available)}
        rolling = spec["strategy"].get("rollingUpdate", {"maxUnavailable": 0})
        least_available = wanted - _share(rolling["maxUnavailable"], wanted, math.floor)
        is_enough = available >= least_available
        has = "has" if is_enough else "does not have"
        reason = "MinimumReplicasAvailable" if is_enough else "MinimumReplicasUnavailable"
        conditions = [_told("Available", str(is_enough), reason, f"Deployment {has} minimum availability.")]
        is_done = len(updated) == len(pods) == wanted == available
        conditions.append(self._progressing(made, newest, (*status.values(), made["metadata"]["generation"]), is_done))
        before = made.get("status", {}).get("conditions", [])
        status["conditions"] = [_timed(each, before) for each in conditions]
        status = {key: each for key, each in status.items() if each or key == "observedGeneration"}
        self._store.put("deployments", {**made, "status": status})

    def _progressing(self, made: Object, newest: Object | None, counted: object, is_done: bool) -> Object:
        uid, now = made["metadata"]["uid"], time.monotonic()
        if made["spec"].get("paused"):
            self._progress.pop(uid, None)
            return _told("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        before = self._progress.get(uid)
        if before is None or before[0] != counted:
            before = self._progress[uid] = (counted, now)
        name = newest["metadata"]["name"] if newest else ""
        if is_done:
            said = f'ReplicaSet "{name}" has successfully progressed.'
            return _told("Progressing", "True", "NewReplicaSetAvailable", said)
        was: Object = next(
            (each for each in made.get("status", {}).get("conditions", []) if each["type"] == "Progressing"), {}
        )
        is_late = now - before[1] > made["spec"]["progressDeadlineSeconds"]
        if is_late and was.get("reason") != "NewReplicaSetAvailable":
            said = f'ReplicaSet "{name}" has timed out progressing.'
            return _told("Progressing", "False", "ProgressDeadlineExceeded", said)
        if was.get("reason") == "NewReplicaSetAvailable" and name in was["message"]:
            return {**was}  # pods of a finished rollout that fail begin none
        return _told("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')

    # Pods of one template.

    def _replicas(self, made: Object) -> None:
        pods = [each for each in self._store.children(made, "pods") if _counts(each)]
        missing = made["spec"]["replicas"] - len(pods)
        for _each in range(missing):
            self._made += 1
            name = f"{made['metadata']['name']}-{short_hash([made['metadata']['uid'], self._made], 5)}"
            self._create_pod(made, made["spec"]["template"], name, by="replicaset-controller")
        order = sorted(
            pods, key=lambda each: (pod_ready(each), -int(self._ready_since.get(each["metadata"]["uid"], 0)))
        )
        for each in order[: max(0, -missing)]:
            self._delete_pod(made, each, by="replicaset-controller")
        ready = sum(map(pod_ready, pods))
        available = sum(self._is_available(each, made["spec"].get("minReadySeconds", 0)) for each in pods)
        status = {"observedGeneration": made["metadata"]["generation"], "replicas": len(pods)}
        status |= {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": available}
        made = self._now(made)
        self._store.put("replicasets", {**made, "status": status})

    def _create_pod(self, owner: Object, template: Object, name: str, *, by: str, **labels: str) -> None:
        meta = template.get("metadata", {})
        metadata = {
            "name": name, "namespace": owner["metadata"]["namespace"], "ownerReferences": owned_by(owner),
            "labels": {**meta.get("labels", {}), **labels},
        } | ({"annotations": meta["annotations"]} if meta.get("annotations") else {})  # fmt: skip
        self._store.put("pods", {"metadata": metadata, "spec": template["spec"], "status": {"phase": "Pending"}})
        self._store.event(owner, "SuccessfulCreate", f"Created pod: {name}", by=by)

    def _delete_pod(self, owner: Object, pod: Object, *, by: str) -> None:
        delete_pod(self._store, pod)
        self._store.event(owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}", by=by)

    # StatefulSets and DaemonSets.

    def _control_revision(self, made: Object) -> str:
        """The name of the revision of the template; one is kept where it is new."""
        name = f"{made['metadata']['name']}-{short_hash(made['spec']['template'])}"
        kept = self._store.children(made, "controllerrevisions")
        number = max((each["revision"] for each in kept), default=0)
        one = next((each for each in kept if each["metadata"]["name"] == name), None)
        if one is None or one["revision"] < number:
            said = made["metadata"].get("annotations", {})
            metadata = {
                "name": name, "namespace": made["metadata"]["namespace"], "ownerReferences": owned_by(made),
                "labels": made["spec"]["selector"].get("matchLabels", {}), "annotations": said,
            }  # fmt: skip
            data = {"spec": {"template": {**made["spec"]["template"], "$patch": "replace"}}}
            self._store.put("controllerrevisions", {"metadata": metadata, "data": data, "revision": number + 1})
        return name

    def _stateful(self, made: Object) -> None:
        name, wanted, now = made["metadata"]["name"], made["spec"]["replicas"], self._control_revision(made)
        pods = {int(each["metadata"]["name"].rpartition("-")[2]): each for each in self._store.children(made, "pods")}
        self._step_stateful(made, pods, wanted, now)
        live = [each for each in pods.values() if _counts(each)]
        updated = [each for each in live if _pod_revision(each) == now]
        is_done = len(updated) == wanted == len(live) and all(map(pod_ready, live))
        current = now if is_done else made.get("status", {}).get("currentRevision", now)
        ready = sum(map(pod_ready, live))
        status = {
            "observedGeneration": made["metadata"]["generation"], "replicas": len(live), "readyReplicas": ready,
            "availableReplicas": ready, "updatedReplicas": len(updated), "updateRevision": now,
            "currentRevision": current, "currentReplicas": sum(_pod_revision(each) == current for each in live),
        }  # fmt: skip
        made = self._store.objects["statefulsets", made["metadata"]["namespace"], name]
        self._store.put("statefulsets", {**made, "status": status})

    def _step_stateful(self, made: Object, pods: dict[int, Object], wanted: int, revision: str) -> None:
        """Creates, replaces or removes one pod, once those before it are ready."""
        by, name = "statefulset-controller", made["metadata"]["name"]
        for at in range(wanted):
            if at not in pods:
                labels = {"controller-revision-hash": revision, "statefulset.kubernetes.io/pod-name": f"{name}-{at}"}
                self._create_pod(made, made["spec"]["template"], f"{name}-{at}", by=by, **labels)
                return
            is_old_and_broken = _pod_revision(pods[at]) != revision and _counts(pods[at])
            if not pod_ready(pods[at]) and not is_old_and_broken:
                return
        for at in sorted(pods, reverse=True):
            if at >= wanted or _pod_revision(pods[at]) != revision:
                if _counts(pods[at]):
                    self._delete_pod(made, pods[at], by=by)
                return

    def _daemons(self, made: Object) -> None:
        now, name = self._control_revision(made), made["metadata"]["name"]
        pods = self._store.children(made, "pods")
        nodes = [each["metadata"]["name"] for each in self._store.of("nodes")]
        by_node = {each["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname"): each for each in pods}
        for node in nodes:
            if node not in by_node:
                self._made += 1
                spec = {**made["spec"]["template"]["spec"], "nodeSelector": {"kubernetes.io/hostname": node}}
                pod = f"{name}-{short_hash([made['metadata']['uid'], self._made], 5)}"
                labels = {"controller-revision-hash": now}
                self._create_pod(
                    made, {**made["spec"]["template"], "spec": spec}, pod, by="daemonset-controller", **labels
                )
        live = [each for each in pods if _counts(each)]
        old = [each for each in live if _pod_revision(each) != now]
        if old and len(live) == len(nodes) and sum(map(pod_ready, live)) >= len(nodes) - (not pod_ready(old[0])):
            self._delete_pod(made, old[0], by="daemonset-controller")
        ready = sum(map(pod_ready, live))
        status = {
            "observedGeneration": made["metadata"]["generation"], "desiredNumberScheduled": len(nodes),
            "currentNumberScheduled": len(live), "numberReady": ready, "numberAvailable": ready,
            "numberUnavailable": len(nodes) - ready, "updatedNumberScheduled": len(live) - len(old),
            "numberMisscheduled": 0,
        }  # fmt: skip
        made = self._store.objects["daemonsets", made["metadata"]["namespace"], name]
        self._store.put("daemonsets", {**made, "status": status})

    # Budgets, and what goes with its owner.

    def _budget(self, made: Object) -> None:
        spec, namespace = made["spec"], made["metadata"]["namespace"]
        pods = [
            each
            for each in self._store.of("pods", namespace)
            if _counts(each) and selects(spec["selector"], each["metadata"].get("labels", {}))
        ]
        owners = {owner_uid(each) for each in pods}
        sets = [each for each in self._store.of("replicasets", namespace) if each["metadata"]["uid"] in owners]
        tops = {owner_uid(each) for each in sets} | owners
        expected = sum(
            each["spec"].get("replicas", 0)
            for kind in ("deployments", "statefulsets")
            for each in self._store.of(kind, namespace)
            if each["metadata"]["uid"] in tops
        ) or len(pods)
        if "minAvailable" in spec:
            least = _share(spec["minAvailable"], expected, math.ceil)
        else:
            least = expected - _share(spec.get("maxUnavailable", 1), expected, math.ceil)
        healthy = sum(map(pod_ready, pods))
        status = {
            "observedGeneration": made["metadata"]["generation"], "expectedPods": expected, "desiredHealthy": least,
            "currentHealthy": healthy, "disruptionsAllowed": max(0, healthy - least),
        }  # fmt: skip
        self._store.put("poddisruptionbudgets", {**made, "status": status})

    def _collect(self) -> None:
        live = {each["metadata"]["uid"] for each in self._store.objects.values()}
        for key, each in list(self._store.objects.items()):
            owner = owner_uid(each)
            if owner and owner not in live:
                if key[0] == "pods":
                    delete_pod(self._store, each)
                else:
                    self._store.remove(key)


def delete_pod(store: Store, pod: Object, grace_s: int | None = None) -> None:
    """Asks a pod to end."""
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return
    grace = pod["spec"].get("terminationGracePeriodSeconds", 30) if grace_s is None else grace_s
    about = {"deletionTimestamp": now_text(), "deletionGracePeriodSeconds": grace}
    store.put("pods", {**pod, "metadata": {**metadata, **about}})


def _template(replicas: Object) -> Object:
    """The template of a ReplicaSet as that of its Deployment."""
    template: Object = replicas["spec"]["template"]
    labels = {key: each for key, each in template["metadata"]["labels"].items() if key != "pod-template-hash"}
    return {**template, "metadata": {**template["metadata"], "labels": labels}}


def _revision(replicas: Object) -> int:
    return int(replicas["metadata"].get("annotations", {}).get(REVISION, 0))


def _pod_revision(pod: Object) -> str:
    hashed: str = pod["metadata"]["labels"].get("controller-revision-hash", "")
    return hashed


def _told(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def _timed(condition: Object, before: Iterable[Any]) -> Object:
    """With when it changed."""
    for each in before:
        if each["type"] == condition["type"]:
            if {**each, **condition} == each:
                return dict(each)
            changed = now_text() if each["status"] != condition["status"] else each["lastTransitionTime"]
            return {**condition, "lastTransitionTime": changed, "lastUpdateTime": now_text()}
    return {**condition, "lastTransitionTime": now_text(), "lastUpdateTime": now_text()}


__all__ = ["REVISION", "Controllers", "delete_pod", "is_ready", "pod_ready", "short_hash", "with_defaults"]
