"""The nodes of the stand-in for a cluster: pods are placed, start, write lines, fail as their image says, and end.

What an image does is its tag: ``:crash`` writes lines and ends with 1, ``:oom`` is killed with 137, ``:missing`` cannot
be pulled, ``:unready`` never gets ready, ``:once`` ends with 0, ``:slow`` is ready after two seconds, ``:quiet`` writes
only what it is told to; any other serves.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from tests.services.kube_cluster_store import Object, Refused, Store, now_text


class Speed(Struct, frozen=True, kw_only=True):
    """How fast things happen (s)."""

    pull: float = 0.05
    ready: float = 0.1
    slow_ready: float = 2.0
    stop: float = 0.2
    """How long a container goes on after it was asked to end."""
    gone: float = 0.1
    """When the pod is gone after that."""
    crash: float = 0.25
    back_off: float = 0.3
    """The first; it doubles, up to eight times as long."""
    line: float = 0.05
    """Between two lines of a container."""


class Run(Struct):
    """One life of a container: what it wrote, each line with its stamp (ns)."""

    id: str
    began: float
    lines: list[tuple[int, bytes]] = []
    ended: str = ""
    next_line: float = 0.0


class Running(Struct):
    """One container of a pod on its node."""

    name: str
    image: str
    is_init: bool
    runs: list[Run] = []
    restarts: int = 0
    state: Object = {}
    last: Object = {}
    ready: bool = False
    wake: float = 0.0
    """When it starts, or starts again."""
    written: int = 0


class Placed(Struct):
    """A pod on its node."""

    key: tuple[str, str, str]
    uid: str
    containers: list[Running]
    address: str
    stops: float = 0.0
    ends: float = 0.0

    def container(self, name: str) -> Running:
        """The one of that name. Raises Refused."""
        for each in self.containers:
            if each.name == name:
                return each
        raise Refused(400, "BadRequest", f"container {name} is not valid for pod {self.key[2]}")


def tag(image: str) -> str:
    """What an image does."""
    return image.rpartition("/")[2].partition(":")[2]


class Kubelet:
    """All nodes. ``tick`` is called under the store's lock."""

    def __init__(self, store: Store, speed: Speed) -> None:
        self._store, self._speed = store, speed
        self.placed: dict[str, Placed] = {}
        """By the pod's uid."""
        self.written: dict[tuple[str, str, str], list[str]] = {}
        """All that each container ever wrote: by namespace, pod, container."""
        self._stamp = 0
        self._addresses = 0

    def tick(self) -> None:
        """Lets all pods go on."""
        pods = {each["metadata"]["uid"]: each for each in self._store.of("pods")}
        for uid in self.placed.keys() - pods.keys():
            self._end_all(self.placed.pop(uid), "Error", 137)
        for pod in pods.values():
            if not pod["spec"].get("nodeName"):
                self._place(pod)
            elif not self.is_down(pod["spec"]["nodeName"]):
                self._tick_pod(pod)

    # Where pods are placed.

    def _place(self, pod: Object) -> None:
        reasons: dict[str, int] = {}
        nodes = self._store.of("nodes")
        fitting: list[tuple[int, str]] = []
        for node in nodes:
            name, used = node["metadata"]["name"], self._on(node["metadata"]["name"])
            reason = _unfit(node, pod, used)
            if reason:
                reasons[reason] = reasons.get(reason, 0) + 1
            else:
                fitting.append((len(used), name))
        if pod["metadata"].get("deletionTimestamp"):
            self._store.remove(("pods", pod["metadata"]["namespace"], pod["metadata"]["name"]))
        elif fitting:
            name = min(fitting)[1]
            scheduled = self._store.put("pods", {**pod, "spec": {**pod["spec"], "nodeName": name}})
            where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            self._store.event(
                scheduled, "Scheduled", f"Successfully assigned {where} to {name}", by="default-scheduler"
            )
        elif not pod.get("status", {}).get("conditions"):
            why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
            message = f"0/{len(nodes)} nodes are available: {why}."
            condition = _condition("PodScheduled", False, reason="Unschedulable", message=message)
            made = {**pod, "status": {"phase": "Pending", "conditions": [condition], "qosClass": "Burstable"}}
            self._store.event(self._store.put("pods", made), "FailedScheduling", message,
                              by="default-scheduler", warning=True)  # fmt: skip

    def _on(self, node: str) -> list[Object]:
        return [each for each in self._store.of("pods") if each["spec"].get("nodeName") == node]

    def is_down(self, node: str) -> bool:
        """Whether the kubelet of a node does not answer."""
        found = self._store.objects.get(("nodes", "", node))
        return found is None or not is_ready(found)

    # What pods do.

    def _tick_pod(self, pod: Object) -> None:
        now, metadata = time.monotonic(), pod["metadata"]
        placed = self.placed.get(metadata["uid"])
        if placed is None:
            if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
                if metadata.get("deletionTimestamp"):
                    self._store.remove(("pods", metadata["namespace"], metadata["name"]))
                return
            placed = self.placed[metadata["uid"]] = self._begin(pod)
        if metadata.get("deletionTimestamp") and not placed.stops:
            placed.stops = now + min(self._speed.stop, metadata.get("deletionGracePeriodSeconds", 30))
            if any("running" in each.state for each in placed.containers):
                self._store.event(pod, "Killing", "Stopping container " + placed.containers[-1].name, by="kubelet")
        if placed.stops and now >= placed.stops and not placed.ends:
            placed.ends = now + self._speed.gone
            self._end_all(placed, "Completed", 0)
        if placed.ends and now >= placed.ends:
            del self.placed[metadata["uid"]]
            self._store.remove(placed.key)
            return
        if not placed.ends:
            self._tick_containers(pod, placed, now)
        status = self._status(pod, placed)
        if status != pod.get("status"):
            self._store.put("pods", {**pod, "status": status})

    def _begin(self, pod: Object) -> Placed:
        self._addresses += 1
        spec, metadata = pod["spec"], pod["metadata"]
        listed = [(each, True) for each in spec.get("initContainers", [])]
        listed += [(each, False) for each in spec["containers"]]
        waits = {"waiting": {"reason": "ContainerCreating"}}
        if spec.get("initContainers"):
            waits = {"waiting": {"reason": "PodInitializing"}}
        containers = [
            Running(name=each["name"], image=each["image"], is_init=is_init, state=dict(waits))
            for each, is_init in listed
        ]
        return Placed(
            ("pods", metadata["namespace"], metadata["name"]), metadata["uid"], containers, f"10.1.0.{self._addresses}"
        )

    def _tick_containers(self, pod: Object, placed: Placed, now: float) -> None:
        for container in placed.containers:
            self._tick_container(pod, placed, container, now)
            if container.is_init and container.state.get("terminated", {}).get("exitCode") != 0:
                return  # the next one waits for it

    def _tick_container(self, pod: Object, placed: Placed, container: Running, now: float) -> None:
        does, speed = tag(container.image), self._speed
        if "terminated" in container.state:
            self._again(pod, placed, container, now)
            return
        if "waiting" in container.state:
            if placed.stops:
                return
            if not container.wake:
                container.wake = now + speed.pull
                self._store.event(pod, "Pulling", f'Pulling image "{container.image}"', by="kubelet")
            elif now >= container.wake:
                self._start(pod, container, now)
            return
        run = container.runs[-1]
        while now >= run.next_line:
            self._count(placed, container)
            run.next_line += speed.line
        ready_s = speed.slow_ready if does == "slow" else speed.ready
        container.ready = does != "unready" and now - run.began >= ready_s and not container.is_init
        if does == "unready" and now - run.began >= ready_s:
            said = "Readiness probe failed: HTTP probe failed with statuscode: 503"
            if not any(each["message"] == said for each in self._store.of("events", placed.key[1])):
                self._store.event(pod, "Unhealthy", said, by="kubelet", warning=True)
        if (does in ("crash", "oom", "once") or container.is_init) and now - run.began >= speed.crash:
            reason, code = {"oom": ("OOMKilled", 137), "crash": ("Error", 1)}.get(does, ("Completed", 0))
            self._end(placed, container, reason, code)

    def _start(self, pod: Object, container: Running, now: float) -> None:
        if tag(container.image) == "missing":
            is_again = container.state["waiting"]["reason"] == "ErrImagePull"
            said = f'Back-off pulling image "{container.image}"' if is_again else (
                f'failed to pull and unpack image "{container.image}": not found'
            )  # fmt: skip
            reason = "ImagePullBackOff" if is_again else "ErrImagePull"
            container.state = {"waiting": {"reason": reason, "message": said}}
            container.wake = now + self._speed.back_off
            if is_again:
                self._store.event(pod, "BackOff", said, by="kubelet")
            else:
                self._store.event(pod, "Failed", f"Failed to pull image: {said}", by="kubelet", warning=True)
            return
        if container.runs:
            container.restarts += 1
        container.runs = [*container.runs[-1:], Run(f"containerd://{uuid.uuid4().hex}", now, next_line=now, lines=[])]
        container.state = {"running": {"startedAt": now_text()}}
        container.ready = False
        self._store.event(pod, "Started", f"Started container {container.name}", by="kubelet")

    def _again(self, pod: Object, placed: Placed, container: Running, now: float) -> None:
        policy = pod["spec"].get("restartPolicy", "Always")
        code = container.state["terminated"]["exitCode"]
        is_over = policy == "Never" or (code == 0 and (policy == "OnFailure" or container.is_init))
        if is_over or placed.stops:
            return
        container.last = container.state
        wait = self._speed.back_off * 2 ** min(container.restarts, 3)
        container.wake = now + wait
        where = f"{placed.key[2]}_{placed.key[1]}({placed.uid})"
        said = f"back-off {max(1, int(wait))}s restarting failed container={container.name} pod={where}"
        container.state = {"waiting": {"reason": "CrashLoopBackOff", "message": said}}
        self._store.event(pod, "BackOff", f"Back-off restarting failed container {container.name} in pod {where}",
                          by="kubelet", warning=True)  # fmt: skip

    def _end_all(self, placed: Placed, reason: str, code: int) -> None:
        for each in placed.containers:
            if "running" in each.state:
                self._end(placed, each, reason, code)

    def _end(self, placed: Placed, container: Running, reason: str, code: int) -> None:
        run = container.runs[-1]
        self._count(placed, container)
        run.ended = now_text()
        began = container.state["running"]["startedAt"]
        container.ready = False
        container.state = {
            "terminated": {
                "exitCode": code, "reason": reason, "startedAt": began, "finishedAt": run.ended, "containerID": run.id,
            }
        }  # fmt: skip
        self._store.changed.notify_all()

    def _count(self, placed: Placed, container: Running) -> None:
        """Has a container write its next line."""
        if tag(container.image) != "quiet":
            self._write(placed, container, f"number {container.written} of {placed.key[2]}/{container.name}")

    def _write(self, placed: Placed, container: Running, text: str, stamp_ns: int = 0) -> None:
        self._stamp = max(self._stamp + 1, time.time_ns())
        container.runs[-1].lines.append((stamp_ns or self._stamp, text.encode()))
        container.written += 1
        self.written.setdefault((placed.key[1], placed.key[2], container.name), []).append(text)
        self._store.changed.notify_all()

    def say(self, uid: str, name: str, *texts: str, stamp_ns: int = 0) -> None:
        """Has a container write lines, now or at another time."""
        placed = self.placed[uid]
        for text in texts:
            self._write(placed, placed.container(name), text, stamp_ns)

    # What is told of them.

    def _status(self, pod: Object, placed: Placed) -> Object:
        before = pod.get("status", {})
        mains = [each for each in placed.containers if not each.is_init]
        inits = [each for each in placed.containers if each.is_init]
        is_ready_now = all(each.ready for each in mains) and not placed.ends
        is_initialized = all(each.state.get("terminated", {}).get("exitCode") == 0 for each in inits)
        conditions = [
            _condition("PodScheduled", True),
            _condition("Initialized", is_initialized, reason="" if is_initialized else "ContainersNotInitialized"),
            _condition("ContainersReady", is_ready_now, reason="" if is_ready_now else "ContainersNotReady"),
            _condition("Ready", is_ready_now, reason="" if is_ready_now else "ContainersNotReady"),
        ]
        status = {
            "phase": _phase(pod, mains, is_initialized=is_initialized),
            "conditions": [_kept(each, before.get("conditions", [])) for each in conditions],
            "hostIP": "10.0.0.1", "podIP": placed.address, "qosClass": "Burstable",
            "startTime": before.get("startTime", now_text()), "containerStatuses": [_told(each) for each in mains],
        }  # fmt: skip
        return status | ({"initContainerStatuses": [_told(each) for each in inits]} if inits else {})

    def run(self, uid: str, name: str, *, previous: bool) -> Run:
        """The life of a container whose lines are asked for. Raises Refused."""
        placed = self.placed.get(uid)
        if placed is None:
            raise Refused(400, "BadRequest", f'container "{name}" is waiting to start: ContainerCreating')
        container, where = placed.container(name), f'container "{name}" in pod "{placed.key[2]}"'
        if previous:
            if not container.last or not container.runs:
                raise Refused(400, "BadRequest", f"previous terminated {where} not found")
            return next(each for each in container.runs if each.id == container.last["terminated"]["containerID"])
        if container.runs:
            return container.runs[-1]
        reason = container.state["waiting"]["reason"]
        told = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
        raise Refused(400, "BadRequest", f"{where} is waiting to start: {told.get(reason, reason)}")


def _told(container: Running) -> Object:
    return {
        "name": container.name, "image": container.image, "imageID": f"{container.image}@sha256:{'1' * 64}",
        "ready": container.ready or (container.is_init and "terminated" in container.state),
        "restartCount": container.restarts, "started": "running" in container.state, "state": container.state,
        "lastState": container.last, "containerID": container.runs[-1].id if container.runs else "",
    }  # fmt: skip


def _phase(pod: Object, mains: Iterable[Running], *, is_initialized: bool) -> str:
    states = [each.state for each in mains]
    if all("terminated" in each for each in states) and pod["spec"].get("restartPolicy", "Always") != "Always":
        return "Failed" if any(each["terminated"]["exitCode"] for each in states) else "Succeeded"
    has_run = is_initialized and not any(
        each.get("waiting", {}).get("reason")
        in ("ContainerCreating", "PodInitializing", "ErrImagePull", "ImagePullBackOff")
        for each in states
    )
    return "Running" if has_run else "Pending"


def _condition(kind: str, status: bool, *, reason: str = "", message: str = "") -> Object:
    made = {"type": kind, "status": str(status), "lastProbeTime": None, "lastTransitionTime": now_text()}
    return made | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def _kept(condition: Object, before: list[Object]) -> Object:
    """With the time of before where the status is the same."""
    for each in before:
        if (each["type"], each["status"]) == (condition["type"], condition["status"]):
            return {**condition, "lastTransitionTime": each["lastTransitionTime"]}
    return condition


# Nodes.


def node(name: str, *, cpu: str = "4", memory: str = "8Gi") -> Object:
    """A node that is well."""
    size = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "50Gi"}
    pressures = [("MemoryPressure", "KubeletHasSufficientMemory"), ("DiskPressure", "KubeletHasNoDiskPressure"),
                 ("PIDPressure", "KubeletHasSufficientPID")]  # fmt: skip
    conditions = [_condition(kind, False, reason=reason) for kind, reason in pressures]
    conditions.append(_condition("Ready", True, reason="KubeletReady", message="kubelet is posting ready status"))
    info = {"kubeletVersion": "v1.32.3", "osImage": "Debian GNU/Linux 13", "kernelVersion": "6.12.0",
            "containerRuntimeVersion": "containerd://1.7.24", "architecture": "amd64",
            "operatingSystem": "linux"}  # fmt: skip
    return {
        "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {},
        "status": {
            "capacity": size, "allocatable": size, "conditions": conditions, "nodeInfo": info,
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": name}],
        },
    }  # fmt: skip


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether its kubelet answers."""
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def _unfit(node: Object, pod: Object, there: list[Object]) -> str:
    """Why a pod cannot be placed on a node; "" where it can."""
    by_daemon = any(each["kind"] == "DaemonSet" for each in pod["metadata"].get("ownerReferences", []))
    wanted_node = pod["spec"].get("nodeSelector", {}).get("kubernetes.io/hostname")
    if wanted_node not in (None, node["metadata"]["name"]):
        return "node(s) didn't match Pod's node affinity/selector"
    if by_daemon:
        return ""
    if not is_ready(node):
        return "node(s) had untolerated taint {node.kubernetes.io/unreachable: }"
    if node["spec"].get("unschedulable"):
        return "node(s) were unschedulable"
    for resource in ("cpu", "memory"):
        used = sum(requested(each, resource) for each in there)
        if used + requested(pod, resource) > quantity(node["status"]["allocatable"][resource]):
            return f"Insufficient {resource}"
    return ""


def requested(pod: Mapping[str, Any], resource: str) -> float:
    """What the containers of a pod request together."""
    each = [one.get("resources", {}).get("requests", {}).get(resource, "0") for one in pod["spec"]["containers"]]
    return sum(map(quantity, each))


_SUFFIXES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e-3}


def quantity(text: str) -> float:
    """A number as Kubernetes writes it."""
    for suffix, factor in _SUFFIXES.items():
        if str(text).endswith(suffix):
            return float(str(text).removesuffix(suffix)) * factor
    return float(text)


def stamp_text(stamp_ns: int) -> str:
    """As the kubelet puts it in front of a line."""
    whole, rest = divmod(stamp_ns, 10**9)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
