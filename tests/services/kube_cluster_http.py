"""The API server of the stand-in for a cluster: discovery, objects, watches, lines of containers and what they use,
over HTTP, as the real kubectl asks."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct, field

from tests.services.kube_cluster_controllers import delete_pod, with_defaults
from tests.services.kube_cluster_exec import serve_exec
from tests.services.kube_cluster_kubelet import Kubelet, Run, stamp_text, tag
from tests.services.kube_cluster_protobuf import PROTOBUF, secret_of
from tests.services.kube_cluster_store import (
    KINDS,
    Change,
    Expired,
    Key,
    Kind,
    Object,
    Refused,
    Store,
    field_selects,
    kind_of,
    label_selects,
    now_text,
    patched,
    selects,
)
from tests.services.kube_cluster_tables import table

METRICS = "metrics.k8s.io/v1beta1"


class Place(Struct, frozen=True):
    """What a path means: a kind, of a namespace or of all, an object of it, a part of that."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    part: str = ""

    @property
    def key(self) -> Key:
        """Of the object."""
        return (self.kind.resource, self.namespace, self.name)


class ApiState(Struct):
    """What the server shares with the test. ``forbidden`` are verbs with resources ("list pods", "get pods/log"), or
    resources alone, that the account may not."""

    store: Store
    kubelet: Kubelet
    release: str = "1.32"
    knows_nobody: bool = False
    """No credentials are good. (Over plain HTTP kubectl sends none.)"""
    forbidden: set[str] = field(default_factory=set)
    usage: dict[str, tuple[str, str]] = field(default_factory=dict)
    """CPU and memory by the name of a container or a node."""
    has_metrics: bool = True
    folder: str = "/"
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and target of each request."""
    watch_s: float = 1800.0
    """How long a watch lasts at most."""


class ApiServer(ThreadingHTTPServer):
    """One run of the server: its connections end with it."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, state: ApiState) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.state = state
        self.is_over = False
        self.answers = threading.Event()
        """Not set: it takes requests and says nothing."""
        self.answers.set()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remembers the connection."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forgets the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was cut is no error of the test."""

    def end(self) -> None:
        """Cuts all connections and listens no more."""
        self.is_over = True
        self.answers.set()
        self.shutdown()
        self.server_close()
        self.cut()
        self._thread.join()
        with self.state.store.changed:
            self.state.store.changed.notify_all()

    def cut(self) -> None:
        """Cuts all connections."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: ApiServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        self.params = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.words = parse_qs(parts.query).get("command", [])
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state = self.server.state
        state.asked.append((self.command, self.path))
        self.server.answers.wait()
        try:
            if state.knows_nobody:
                raise Refused(401, "Unauthorized", "Unauthorized")
            self._answer(parts.path.strip("/"))
        except Refused as refused:
            self._json(_status(refused), refused.code)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _json(self, document: Mapping[str, Any], code: int = 200) -> None:
        raw = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _answer(self, path: str) -> None:
        state = self.server.state
        found = discovery(path, state)
        if found is not None:
            self._json(found)
            return
        if path.startswith(f"apis/{METRICS}/"):
            with state.store.changed:
                self._json(usage(path, self.params, state))
            return
        place = _place(path)
        if place is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        self._check(place)
        if place.part == "log":
            self._log(place)
        elif place.part == "exec":
            self._exec(place)
        elif self.command == "GET" and self.params.get("watch") in ("true", "1"):
            self._watch(place)
        else:
            with state.store.changed:
                code, document = self._object(place)
            self._json(document, code)

    def _check(self, place: Place) -> None:
        verbs = {"GET": "get" if place.name else "list", "POST": "create", "PUT": "update", "PATCH": "patch"}
        verb = verbs.get(self.command, "delete")
        verb = "watch" if self.params.get("watch") in ("true", "1") else verb
        resource = place.kind.resource + (f"/{place.part}" if place.part else "")
        forbidden = self.server.state.forbidden
        if {resource, f"{verb} {resource}", f"{verb} {resource} in {place.namespace}"} & forbidden:
            group = place.kind.version.rpartition("/")[0]
            name = f"{place.kind.resource}.{group}" if group else place.kind.resource
            of = f' "{place.name}"' if place.name else ""
            where = f'in the namespace "{place.namespace}"' if place.namespace else "at the cluster scope"
            who = f'User "lilfox" cannot {verb} resource "{resource}" in API group "{group}"'
            raise Refused(403, "Forbidden", f"{name}{of} is forbidden: {who} {where}", place.kind.resource)

    # Objects.

    def _object(self, place: Place) -> tuple[int, Mapping[str, Any]]:
        store = self.server.state.store
        if not place.name:
            if self.command == "POST":
                return 201, self._create(place)
            found = [each for each in store.of(place.kind.resource, place.namespace) if self._means(each)]
            if self.command == "DELETE":
                for each in found:
                    self._delete(Place(place.kind, place.namespace, each["metadata"]["name"]), each)
            return 200, self._shown(place, found, is_list=True)
        made = store.objects.get(place.key)
        if made is None:
            group = place.kind.version.rpartition("/")[0]
            named = f"{place.kind.resource}.{group}" if group else place.kind.resource
            raise Refused(404, "NotFound", f'{named} "{place.name}" not found', place.kind.resource)
        if place.part == "scale":
            return 200, self._scale(place, made)
        if place.part == "eviction":
            return 201, self._evict(place, made)
        if self.command == "DELETE":
            return 200, self._delete(place, made)
        if self.command in ("PATCH", "PUT"):
            made = self._write(place, made)
        return 200, self._shown(place, [made], is_list=False)

    def _means(self, made: Object) -> bool:
        return label_selects(
            self.params.get("labelSelector", ""), made["metadata"].get("labels", {})
        ) and field_selects(self.params.get("fieldSelector", ""), made)

    def _shown(self, place: Place, found: list[Object], *, is_list: bool) -> Mapping[str, Any]:
        version = {"resourceVersion": str(self.server.state.store.version)}
        if "as=Table" in self.headers.get("Accept", "") and (made := table(place.kind, found)) is not None:
            return {**made, "metadata": version}
        if not is_list:
            return found[0]
        return {"kind": f"{place.kind.kind}List", "apiVersion": place.kind.version, "metadata": version, "items": found}

    def _create(self, place: Place) -> Object:
        store = self.server.state.store
        made = secret_of(self.body) if self.body.startswith(PROTOBUF) else json.loads(self.body)
        metadata = {**made["metadata"]} | ({"namespace": place.namespace} if place.kind.namespaced else {})
        key = (place.kind.resource, place.namespace, metadata["name"])
        if key in store.objects:
            raise Refused(409, "AlreadyExists", f'{place.kind.resource} "{metadata["name"]}" already exists')
        return store.put(place.kind.resource, with_defaults({**made, "metadata": metadata}))

    def _write(self, place: Place, made: Object) -> Object:
        kind = self.headers.get("Content-Type", "")
        changed = json.loads(self.body) if self.command == "PUT" else patched(made, self.body, kind)
        version = changed["metadata"].get("resourceVersion", made["metadata"]["resourceVersion"])
        if version != made["metadata"]["resourceVersion"]:
            said = (
                f'Operation cannot be fulfilled on {place.kind.resource} "{place.name}": the object has been modified'
            )
            raise Refused(409, "Conflict", said)
        if place.part != "status" and "status" in made:
            changed["status"] = made["status"]
        if "dryRun" in self.params:
            return dict(changed)
        return self.server.state.store.put(place.kind.resource, with_defaults(changed))

    def _scale(self, place: Place, made: Object) -> Object:
        if self.command in ("PATCH", "PUT"):
            wanted = json.loads(self.body)["spec"]["replicas"]
            made = self.server.state.store.put(
                place.kind.resource, {**made, "spec": {**made["spec"], "replicas": wanted}}
            )
        about = {key: made["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
        count = made["spec"].get("replicas", 1)
        status = {"replicas": made.get("status", {}).get("replicas", 0)}
        return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": about, "spec": {"replicas": count},
                "status": status}  # fmt: skip

    def _delete(self, place: Place, made: Object) -> Object:
        store = self.server.state.store
        options = json.loads(self.body) if self.body.startswith(b"{") else {}
        if "dryRun" in self.params:
            return made
        if place.kind.resource == "pods":
            grace = self.params.get("gracePeriodSeconds", options.get("gracePeriodSeconds"))
            if grace is not None and int(grace) == 0:
                store.remove(place.key)
            else:
                delete_pod(store, made, None if grace is None else int(grace))
            return store.objects.get(place.key, made)
        if options.get("propagationPolicy") == "Orphan":
            for each in list(store.objects.values()):
                if each["metadata"].get("ownerReferences", [{}])[0].get("uid") == made["metadata"]["uid"]:
                    metadata = {key: one for key, one in each["metadata"].items() if key != "ownerReferences"}
                    store.put(kind_of(each).resource, {**each, "metadata": metadata})
        store.remove(place.key)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _evict(self, place: Place, made: Object) -> Object:
        store = self.server.state.store
        for each in store.of("poddisruptionbudgets", place.namespace):
            means = selects(each["spec"]["selector"], made["metadata"].get("labels", {}))
            if means and each.get("status", {}).get("disruptionsAllowed", 0) < 1:
                said = "Cannot evict pod as it would violate the pod's disruption budget."
                raise Refused(429, "TooManyRequests", said)
            if means:
                allowed = {"disruptionsAllowed": each["status"]["disruptionsAllowed"] - 1}
                store.put("poddisruptionbudgets", {**each, "status": {**each["status"], **allowed}})
        if "dryRun" not in self.params:
            delete_pod(store, made)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    # Streams.

    def _stream(self, content_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, raw: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(raw), raw))
        self.wfile.flush()

    def _watch(self, place: Place) -> None:
        store, version = self.server.state.store, int(self.params.get("resourceVersion") or 0)
        until = time.monotonic() + min(float(self.params.get("timeoutSeconds", 1800)), self.server.state.watch_s)
        self._stream("application/json")
        known: set[Key] = set()
        first: list[Change] = []
        with store.changed:
            if version == 0:
                version = store.version
                first = [Change(version, "ADDED", key, each) for key, each in store.objects.items()]
            else:
                known = {key for key, each in store.objects.items() if self._watched(place, key, each)}
        for change in first:
            self._tell(place, change, known)
        with contextlib.suppress(Expired):
            while not self.server.is_over and time.monotonic() < until:
                with store.changed:
                    news = store.since(version)
                    if not news:
                        store.changed.wait(0.2)
                        continue
                version = news[-1].version
                for change in news:
                    self._tell(place, change, known)
            self._chunk(b"")
            return
        gone = _status(Refused(410, "Expired", "too old resource version"))
        self._chunk(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
        self._chunk(b"")

    def _watched(self, place: Place, key: Key, made: Object) -> bool:
        in_place = key[0] == place.kind.resource and place.namespace in ("", key[1]) and place.name in ("", key[2])
        return in_place and self._means(made)

    def _tell(self, place: Place, change: Change, known: set[Key]) -> None:
        means = self._watched(place, change.key, change.object)
        if not means and change.key not in known:
            return
        type_ = change.type
        if type_ == "DELETED" or not means:
            known.discard(change.key)
            type_ = "DELETED"
        else:
            type_ = "MODIFIED" if change.key in known else "ADDED"
            known.add(change.key)
        shown: Mapping[str, Any] = change.object
        if "as=Table" in self.headers.get("Accept", "") and (made := table(place.kind, [change.object])) is not None:
            shown = made
        self._chunk(json.dumps({"type": type_, "object": shown}).encode() + b"\n")

    def _log(self, place: Place) -> None:
        state = self.server.state
        with state.store.changed:
            pod = state.store.objects.get(("pods", place.namespace, place.name))
            if pod is None:
                raise Refused(404, "NotFound", f'pods "{place.name}" not found', "pods")
            names = [each["name"] for each in pod["spec"]["containers"]]
            name = self.params.get("container", "")
            if not name and len(names) > 1:
                said = f"a container name must be specified for pod {place.name}, choose one of: [{' '.join(names)}]"
                raise Refused(400, "BadRequest", said)
            if state.kubelet.is_down(pod["spec"].get("nodeName", "")):
                url = f"https://10.0.0.1:10250/containerLogs/{place.namespace}"
                raise Refused(500, "InternalError", f'Get "{url}": dial tcp 10.0.0.1:10250: i/o timeout')
            previous = self.params.get("previous") == "true"
            run = state.kubelet.run(pod["metadata"]["uid"], name or names[0], previous=previous)
        self._stream("text/plain")
        self._lines(run)
        self._chunk(b"")

    def _lines(self, run: Run) -> None:
        store, asked = self.server.state.store, self.params
        since = _since(asked)
        at = next((at for at, (stamp, _text) in enumerate(run.lines) if stamp >= since), len(run.lines))
        if "tailLines" in asked:
            at = max(at, len(run.lines) - int(asked["tailLines"]))
        left = int(asked.get("limitBytes", 1 << 60))
        while not self.server.is_over:
            with store.changed:
                news = run.lines[at:]
                if not news:
                    if run.ended or asked.get("follow") != "true":
                        return
                    store.changed.wait(0.2)
                    continue
            at += len(news)
            stamped = asked.get("timestamps") == "true"
            raw = b"".join(
                (f"{stamp_text(stamp)} ".encode() if stamped else b"") + text + b"\n" for stamp, text in news
            )
            self._chunk(raw[:left])
            left -= len(raw)
            if left <= 0:
                return
        self._cut()

    def _cut(self) -> NoReturn:
        """Ends the connection without the end of the answer."""
        self.close_connection = True
        raise ConnectionAbortedError

    def _exec(self, place: Place) -> None:
        state = self.server.state
        with state.store.changed:
            pod = state.store.objects.get(("pods", place.namespace, place.name))
            if pod is None:
                raise Refused(404, "NotFound", f'pods "{place.name}" not found', "pods")
            name = self.params.get("container") or pod["spec"]["containers"][0]["name"]
            run = state.kubelet.run(pod["metadata"]["uid"], name, previous=False)
            if run.ended:
                raise Refused(400, "BadRequest", f"container not found ({json.dumps(name)})")
        self.close_connection = True
        serve_exec(self, self.words, state.folder, {"HOSTNAME": place.name})


def _since(asked: Mapping[str, str]) -> float:
    """The oldest stamp (ns) that is wanted."""
    if "sinceTime" in asked:
        return int(datetime.fromisoformat(asked["sinceTime"]).timestamp()) * 10**9
    return (time.time() - float(asked["sinceSeconds"])) * 1e9 if "sinceSeconds" in asked else 0


def _place(path: str) -> Place | None:
    parts = path.split("/")
    version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = KINDS.get(rest[0]) if rest else None
    if kind is None or kind.version != version:
        return None
    return Place(kind, namespace, *rest[1:3])


def _status(refused: Refused) -> Object:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": str(refused)}
    return {**status, "reason": refused.reason, "details": {"kind": refused.kind}, "code": refused.code}


# Discovery.


def discovery(path: str, state: ApiState) -> Mapping[str, Any] | None:
    """What the server serves; None for another path."""
    versions = sorted({each.version for each in KINDS.values() if "/" in each.version})
    versions += [METRICS] if state.has_metrics else []
    if path == "version":
        major, minor = state.release.split(".")
        return {"major": major, "minor": minor, "gitVersion": f"v{state.release}.4", "platform": "linux/amd64"}
    if path == "api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(each) for each in versions]}
    version = path.removeprefix("apis/").removeprefix("api/")
    if version == "v1" or version in versions:
        return {"kind": "APIResourceList", "groupVersion": version, "resources": list(_resources(version))}
    if path == "openapi/v3":
        places = ["api/v1", *(f"apis/{each}" for each in versions)]
        return {"paths": {each: {"serverRelativeURL": f"/openapi/v3/{each}?hash=1"} for each in places}}
    if path.startswith("openapi/v3/"):
        return _openapi(path.removeprefix("openapi/v3/").removeprefix("apis/").removeprefix("api/"))
    return None


def _group(version: str) -> Object:
    named = {"groupVersion": version, "version": version.partition("/")[2]}
    return {"name": version.partition("/")[0], "versions": [named], "preferredVersion": named}


def _resources(version: str) -> Iterator[Object]:
    verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    if version == METRICS:
        yield {
            "name": "nodes",
            "singularName": "",
            "namespaced": False,
            "kind": "NodeMetrics",
            "verbs": ["get", "list"],
        }
        yield {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
    for each in KINDS.values():
        if each.version != version:
            continue
        one = {"name": each.resource, "singularName": each.kind.lower(), "namespaced": each.namespaced}
        about = {"kind": each.kind, "verbs": verbs, "shortNames": list(each.short)}
        yield {**one, **about} | ({"categories": ["all"]} if each.in_all else {})
        if each.scales:
            part = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
            yield {**one, **part, "name": f"{each.resource}/scale", "singularName": ""}
    if version == "v1":
        pod = {"singularName": "", "namespaced": True}
        yield {**pod, "name": "pods/log", "kind": "Pod", "verbs": ["get"]}
        yield {**pod, "name": "pods/exec", "kind": "PodExecOptions", "verbs": ["create", "get"]}
        eviction = {"group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}
        yield {**pod, **eviction, "name": "pods/eviction"}


def _openapi(version: str) -> Object:
    """That the server validates what is applied, so that kubectl does not."""
    group, _slash, number = version.rpartition("/")
    parameters = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
    paths = {
        f"/{each.resource}": {
            "patch": {
                "parameters": parameters, "responses": {},
                "x-kubernetes-group-version-kind": {"group": group, "version": number, "kind": each.kind},
            }
        }
        for each in KINDS.values()
        if each.version == version
    }  # fmt: skip
    return {"openapi": "3.0.0", "info": {"title": "stand-in", "version": "1"}, "paths": paths}


# What is used.


def usage(path: str, asked: Mapping[str, str], state: ApiState) -> Mapping[str, Any]:
    """The answer of metrics.k8s.io. Raises Refused."""
    if not state.has_metrics:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    rest = path.removeprefix(f"apis/{METRICS}/").split("/")
    namespace = rest[1] if rest[0] == "namespaces" else ""
    rest = rest[2:] if namespace else rest
    found = [
        each
        for each in state.store.of(rest[0], namespace)
        if label_selects(asked.get("labelSelector", ""), each["metadata"].get("labels", {}))
        and rest[1:] in ([], [each["metadata"]["name"]])
        and (rest[0] == "nodes" or each.get("status", {}).get("phase") == "Running")
    ]
    told = [_used(each, state.usage) for each in found]
    if len(rest) > 1:
        if not told:
            raise Refused(404, "NotFound", f'{rest[0]}.metrics.k8s.io "{rest[1]}" not found')
        return told[0]
    kind = "NodeMetricsList" if rest[0] == "nodes" else "PodMetricsList"
    return {"kind": kind, "apiVersion": METRICS, "metadata": {}, "items": told}


def _used(made: Object, given: Mapping[str, tuple[str, str]]) -> Object:
    metadata = {key: made["metadata"][key] for key in ("name", "namespace", "labels") if key in made["metadata"]}
    about = {"metadata": metadata, "timestamp": now_text(), "window": "15s", "apiVersion": METRICS}
    if made["kind"] == "Node":
        cpu, memory = given.get(metadata["name"], ("250m", "2Gi"))
        return {**about, "kind": "NodeMetrics", "usage": {"cpu": cpu, "memory": memory}}
    containers = []
    for each in made["spec"]["containers"]:
        cpu, memory = given.get(each["name"], ("12m", "250Mi" if tag(each["image"]) == "oom" else "64Mi"))
        containers.append({"name": each["name"], "usage": {"cpu": cpu, "memory": memory}})
    return {**about, "kind": "PodMetrics", "containers": containers}
