"""A stand-in for the API server of Kubernetes: what kubectl needs to list, patch, scale, create and apply objects of
a few kinds. There is no real one for the machines of these tests."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.services.http_stand_in import Reply, Request, StandIn

KINDS: Mapping[str, tuple[str, str]] = {
    "deployments": ("apps/v1", "Deployment"),
    "statefulsets": ("apps/v1", "StatefulSet"),
    "daemonsets": ("apps/v1", "DaemonSet"),
    "cronjobs": ("batch/v1", "CronJob"),
    "pods": ("v1", "Pod"),
    "services": ("v1", "Service"),
    "secrets": ("v1", "Secret"),
    "limitranges": ("v1", "LimitRange"),
    "namespaces": ("v1", "Namespace"),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
    "horizontalpodautoscalers": ("autoscaling/v2", "HorizontalPodAutoscaler"),
}
MERGE_KEYS = {"containers": "name", "initContainers": "name", "env": "name", "volumes": "name"} | {
    "volumeMounts": "mountPath"
}
"""The lists that a strategic merge patch merges, and the keys of their items."""


def merged(value: Any, patch: Any, key: str = "") -> Any:
    """``value`` after a strategic merge patch."""
    if isinstance(patch, dict):
        found = dict(value) if isinstance(value, dict) else {}
        for name, each in patch.items():
            if each is None:
                found.pop(name, None)
            elif not name.startswith("$"):
                found[name] = merged(found.get(name), each, name)
        return found
    if isinstance(patch, list) and key in MERGE_KEYS and isinstance(value, list):
        by = MERGE_KEYS[key]
        found_items = {each[by]: each for each in value}
        for each in patch:
            if each.get("$patch") == "delete":
                found_items.pop(each[by], None)
            else:
                found_items[each[by]] = merged(found_items.get(each[by]), each)
        return list(found_items.values())
    return copy.deepcopy(patch)


class KubernetesApi(StandIn):
    """The server. ``forbidden`` are resources that the account may not list."""

    def __init__(self, release: str = "1.31") -> None:
        super().__init__(self._answered)
        self.release = release
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.forbidden: set[str] = set()

    def add(self, *documents: Mapping[str, Any], namespace: str = "shop") -> None:
        """Keeps objects as a server does: in the version that it serves."""
        for document in documents:
            resource = next(name for name, (_version, kind) in KINDS.items() if kind == document["kind"])
            made = copy.deepcopy(dict(document)) | {"apiVersion": KINDS[resource][0]}
            metadata = made.setdefault("metadata", {})
            metadata.setdefault("namespace", namespace)
            metadata["resourceVersion"] = str(len(self.objects) + 1)
            self.objects[resource, metadata["namespace"], metadata["name"]] = made

    def kubeconfig(self, folder: Path) -> Path:
        """Writes a kubeconfig with the context ``shop``."""
        file = folder / "kubeconfig"
        cluster = {"name": "shop", "cluster": {"server": self.url}}
        context = {"name": "shop", "context": {"cluster": "shop", "user": "shop"}}
        user = {"name": "shop", "user": {"token": "t0ken"}}
        file.write_text(json.dumps({"clusters": [cluster], "contexts": [context], "users": [user]}))
        return file

    @property
    def asked(self) -> list[str]:
        """The paths of all requests."""
        return [each.path for each in self.requests]

    def _answered(self, request: Request) -> Reply:
        headers = {"Content-Type": "application/json"}
        reply = self._reply(request)
        return Reply(reply.status, reply.body, headers)

    def _reply(self, request: Request) -> Reply:
        path = request.path.strip("/")
        fixed = self._discovery(path)
        if fixed is not None:
            return Reply(200, fixed)
        parts = path.split("/")
        rest = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        if not rest or rest[0] not in KINDS:
            return _status(404, "NotFound", path)
        if rest[0] in self.forbidden:
            group = KINDS[rest[0]][0].rpartition("/")[0]
            named = f"{rest[0]}.{group}" if group else rest[0]
            what = f'User "lilfox" cannot list resource "{rest[0]}" in API group "{group}" at the cluster scope'
            return _status(403, "Forbidden", f"{named} is forbidden: {what}", kind=rest[0])
        if len(rest) == 1:
            return self._collection(request, rest[0], namespace)
        return self._single(request, (rest[0], namespace, rest[1]), is_scale=rest[2:] == ["scale"])

    def _discovery(self, path: str) -> dict[str, Any] | None:
        major, minor = self.release.split(".")
        versions = sorted({version for version, _kind in KINDS.values() if "/" in version})
        if path == "version":
            return {"major": major, "minor": minor, "gitVersion": f"v{self.release}.4", "platform": "linux/amd64"}
        if path == "api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "apis":
            named = [{"groupVersion": each, "version": each.partition("/")[2]} for each in versions]
            groups = [
                {"name": each["groupVersion"].partition("/")[0], "versions": [each], "preferredVersion": each}
                for each in named
            ]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("apis/").removeprefix("api/")
        if version in {each for each, _kind in KINDS.values()}:
            return {"kind": "APIResourceList", "groupVersion": version, "resources": list(_resources(version))}
        return _openapi(path, versions)

    def _collection(self, request: Request, resource: str, namespace: str) -> Reply:
        if request.method == "POST":
            is_secret = request.body.startswith(_PROTOBUF)
            made: dict[str, Any] = _secret(request.body) if is_secret else dict(request.json())
            self.add(made, namespace=namespace)
            return Reply(201, self.objects[resource, namespace, made["metadata"]["name"]])
        wanted = dict(each.split("=", 1) for each in request.params.get("labelSelector", "").split(",") if each)
        found = [
            each
            for (kind, place, _name), each in self.objects.items()
            if kind == resource
            and namespace in ("", place)
            and wanted.items() <= each["metadata"].get("labels", {}).items()
        ]
        version, kind = KINDS[resource]
        return Reply(200, {"kind": f"{kind}List", "apiVersion": version, "metadata": {}, "items": found})

    def _single(self, request: Request, key: tuple[str, str, str], *, is_scale: bool) -> Reply:
        if key not in self.objects:
            return _status(404, "NotFound", f'{key[0]} "{key[2]}" not found', kind=key[0])
        if request.method == "PATCH":
            patched = merged(self.objects[key], request.json())
            self.objects[key] = patched
        elif request.method == "PUT":
            self.objects[key] = dict(request.json())
        found = self.objects[key]
        if is_scale:
            replicas = found["spec"].get("replicas", 1)
            scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": found["metadata"]}
            return Reply(200, {**scale, "spec": {"replicas": replicas}, "status": {"replicas": replicas}})
        return Reply(200, found)


def _resources(version: str) -> Iterable[dict[str, Any]]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    for name, (served, kind) in KINDS.items():
        if served == version:
            yield {
                "name": name, "singularName": kind.lower(), "namespaced": name != "namespaces", "kind": kind,
                "verbs": verbs,
            }  # fmt: skip
            if kind in ("Deployment", "StatefulSet"):
                yield {
                    "name": f"{name}/scale", "singularName": "", "namespaced": True, "group": "autoscaling",
                    "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"],
                }  # fmt: skip


def _openapi(path: str, versions: list[str]) -> dict[str, Any] | None:
    """That the server validates what is applied, so that kubectl does not."""
    if path == "openapi/v3":
        places = ["api/v1", *(f"apis/{each}" for each in versions)]
        return {"paths": {each: {"serverRelativeURL": f"/openapi/v3/{each}?hash=1"} for each in places}}
    if not path.startswith("openapi/v3/"):
        return None
    served = path.removeprefix("openapi/v3/").removeprefix("apis/").removeprefix("api/")
    group, _slash, version = served.rpartition("/")
    parameters = [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}]
    paths = {
        f"/{name}": {
            "patch": {
                "parameters": parameters,
                "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                "responses": {},
            }
        }
        for name, (each, kind) in KINDS.items()
        if each == served
    }
    return {"openapi": "3.0.0", "info": {"title": "stand-in", "version": "1"}, "paths": paths}


_PROTOBUF = b"k8s\0"
"""How kubectl begins what it sends of its own types."""


def _secret(body: bytes) -> dict[str, Any]:
    """The Secret that kubectl create sends (k8s.io/api/core/v1/generated.proto)."""
    secret = _fields(_fields(body.removeprefix(_PROTOBUF))[2][0])
    name = _fields(secret[1][0])[1][0].decode()
    entries = [_fields(each) for each in secret.get(2, [])]
    data = {each[1][0].decode(): base64.b64encode(each[2][0]).decode() for each in entries}
    return {"kind": "Secret", "metadata": {"name": name}, "data": data}


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """The fields of a protobuf message that have a length; it and numbers are below 128."""
    found: dict[int, list[bytes]] = {}
    while message:
        size = message[1] if message[0] & 7 == 2 else 0
        found.setdefault(message[0] >> 3, []).append(message[2 : 2 + size])
        message = message[2 + size :]
    return found


def _status(code: int, reason: str, message: str, kind: str = "") -> Reply:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return Reply(code, {**status, "code": code, "reason": reason, "message": message, "details": {"kind": kind}})
