"""What the stand-in for a cluster keeps: objects by kind with their versions, what changed for those who watch, patches
and selectors as an API server has them."""

from __future__ import annotations

import copy
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Resource, namespace ("" where it has none) and name."""


class Kind(Struct, frozen=True):
    """A kind of object: the version that is served, and how kubectl may call it."""

    resource: str
    version: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    scales: bool = False
    in_all: bool = False


KINDS: Mapping[str, Kind] = {
    each.resource: each
    for each in (
        Kind("pods", "v1", "Pod", ("po",), in_all=True),
        Kind("nodes", "v1", "Node", ("no",), namespaced=False),
        Kind("namespaces", "v1", "Namespace", ("ns",), namespaced=False),
        Kind("events", "v1", "Event", ("ev",)),
        Kind("services", "v1", "Service", ("svc",), in_all=True),
        Kind("secrets", "v1", "Secret"),
        Kind("configmaps", "v1", "ConfigMap", ("cm",)),
        Kind("limitranges", "v1", "LimitRange"),
        Kind("persistentvolumeclaims", "v1", "PersistentVolumeClaim", ("pvc",)),
        Kind("replicationcontrollers", "v1", "ReplicationController", ("rc",), scales=True),
        Kind("deployments", "apps/v1", "Deployment", ("deploy",), scales=True, in_all=True),
        Kind("replicasets", "apps/v1", "ReplicaSet", ("rs",), scales=True, in_all=True),
        Kind("statefulsets", "apps/v1", "StatefulSet", ("sts",), scales=True, in_all=True),
        Kind("daemonsets", "apps/v1", "DaemonSet", ("ds",), in_all=True),
        Kind("controllerrevisions", "apps/v1", "ControllerRevision"),
        Kind("jobs", "batch/v1", "Job", in_all=True),
        Kind("cronjobs", "batch/v1", "CronJob", ("cj",), in_all=True),
        Kind("networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", ("netpol",)),
        Kind("poddisruptionbudgets", "policy/v1", "PodDisruptionBudget", ("pdb",)),
        Kind("horizontalpodautoscalers", "autoscaling/v2", "HorizontalPodAutoscaler", ("hpa",)),
    )
}
_HISTORY = 20_000
_MERGED_BY = {
    "containers": "name", "initContainers": "name", "ephemeralContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "conditions": "type", "ports": "containerPort",
}  # fmt: skip
"""The lists that a strategic merge patch merges, and the keys of their items."""


class Expired(Exception):
    """What changed since that version is no longer known."""


class Refused(Exception):
    """What the server answers instead of doing it."""

    def __init__(self, code: int, reason: str, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.code, self.reason, self.kind = code, reason, kind


class Change(Struct, frozen=True):
    """What those who watch are told."""

    version: int
    type: str
    key: Key
    object: Object


def now_text() -> str:
    """The time as objects have it: to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def kind_of(document: Mapping[str, Any]) -> Kind:
    """The kind of a manifest."""
    return next(each for each in KINDS.values() if each.kind == document["kind"])


class Store:
    """The objects. Those that are given out are never changed: each change keeps a new one."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.objects: dict[Key, Object] = {}
        self.version = 100
        self.changes: list[Change] = []
        self._oldest = self.version

    def of(self, resource: str, namespace: str = "") -> list[Object]:
        """All of a kind, by name."""
        found = [(key, each) for key, each in self.objects.items() if key[0] == resource and namespace in ("", key[1])]
        return [each for _key, each in sorted(found, key=lambda one: one[0])]

    def put(self, resource: str, made: Mapping[str, Any]) -> Object:
        """Keeps an object, new or changed; one that is as before stays as it is."""
        with self.changed:
            put = copy.deepcopy(dict(made))
            kind = KINDS[resource]
            metadata = put.setdefault("metadata", {})
            key = (resource, metadata.get("namespace", "") if kind.namespaced else "", metadata["name"])
            before = self.objects.get(key)
            put |= {"apiVersion": kind.version, "kind": kind.kind}
            if before is None:
                metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now_text(), "generation": 1}
            else:
                metadata |= {name: before["metadata"][name] for name in ("uid", "creationTimestamp", "generation")}
                metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
                if put == before:
                    return before
                metadata["generation"] += put.get("spec") != before.get("spec")
            self._keep("ADDED" if before is None else "MODIFIED", key, put)
            return put

    def remove(self, key: Key) -> None:
        """Takes an object away."""
        with self.changed:
            gone = copy.deepcopy(self.objects.pop(key))
            self._keep("DELETED", key, gone)

    def _keep(self, type_: str, key: Key, made: Object) -> None:
        self.version += 1
        made["metadata"]["resourceVersion"] = str(self.version)
        if type_ != "DELETED":
            self.objects[key] = made
        self.changes.append(Change(self.version, type_, key, made))
        if len(self.changes) > _HISTORY:
            self._oldest = self.changes[_HISTORY // 2].version
            del self.changes[: _HISTORY // 2 + 1]
        self.changed.notify_all()

    def since(self, version: int) -> list[Change]:
        """What changed after that version. Raises Expired."""
        if version < self._oldest:
            raise Expired
        at = len(self.changes)
        while at and self.changes[at - 1].version > version:
            at -= 1
        return self.changes[at:]

    def children(self, owner: Mapping[str, Any], resource: str) -> list[Object]:
        """The objects of a kind that an object controls."""
        uid, namespace = owner["metadata"]["uid"], owner["metadata"]["namespace"]
        return [each for each in self.of(resource, namespace) if owner_uid(each) == uid]

    def event(self, about: Mapping[str, Any], reason: str, message: str, *, by: str, warning: bool = False) -> None:
        """Writes an event; one that is there is counted."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace", "default")
        subject = {
            "kind": about["kind"], "apiVersion": about["apiVersion"], "name": metadata["name"], "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion", ""),
        } | ({"namespace": namespace} if "namespace" in metadata else {})  # fmt: skip
        for each in self.of("events", namespace):
            same = each["involvedObject"]["uid"] == metadata["uid"]
            if same and (each["reason"], each["message"]) == (reason, message):
                self.put("events", {**each, "count": each["count"] + 1, "lastTimestamp": now_text()})
                return
        name = f"{metadata['name']}.{time.time_ns():x}"
        self.put(
            "events",
            {
                "metadata": {"name": name, "namespace": namespace}, "involvedObject": subject, "reason": reason,
                "message": message, "type": "Warning" if warning else "Normal", "count": 1,
                "firstTimestamp": now_text(), "lastTimestamp": now_text(), "source": {"component": by},
                "reportingComponent": by, "reportingInstance": "", "eventTime": None,
            },
        )  # fmt: skip


def owner_uid(made: Mapping[str, Any]) -> str:
    """The uid of what controls an object; "" where nothing does."""
    owners = made["metadata"].get("ownerReferences", [])
    return next((each["uid"] for each in owners if each.get("controller")), "")


def owned_by(owner: Mapping[str, Any]) -> list[Object]:
    """The reference of what ``owner`` makes."""
    about = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return [{**about, "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}]


# Selectors.


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether the selector of an object (``matchLabels``, ``matchExpressions``) means these labels."""
    if selector is None:
        return False
    wanted = [(key, "In", [value]) for key, value in selector.get("matchLabels", {}).items()]
    wanted += [(each["key"], each["operator"], each.get("values", [])) for each in selector.get("matchExpressions", [])]
    return all(_holds(key, operator, values, labels) for key, operator, values in wanted)


def _holds(key: str, operator: str, values: list[str], labels: Mapping[str, str]) -> bool:
    found = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return found[operator]


def label_selects(text: str, labels: Mapping[str, str]) -> bool:
    """Whether a ``labelSelector`` of a query means these labels."""
    return all(_holds(*each, labels) for each in _requirements(text))


def _requirements(text: str) -> Iterator[tuple[str, str, list[str]]]:
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    for part in filter(None, (each.strip() for each in parts)):
        if part.endswith(")"):
            key, operator, values = part.rstrip(")").replace("(", " ( ").split(None, 2)
            listed = [each.strip() for each in values.lstrip("( ").split(",")]
            yield key, "NotIn" if operator == "notin" else "In", listed
        elif "!=" in part:
            yield part.split("!=")[0], "NotIn", [part.split("!=")[1]]
        elif "=" in part:
            yield part.split("=")[0], "In", [part.replace("==", "=").split("=")[1]]
        elif part.startswith("!"):
            yield part[1:], "DoesNotExist", []
        else:
            yield part, "Exists", []


def field_selects(text: str, made: Mapping[str, Any]) -> bool:
    """Whether a ``fieldSelector`` of a query means this object."""
    for part in filter(None, text.split(",")):
        path, _sign, value = part.replace("==", "=").partition("!=" if "!=" in part else "=")
        found: Any = made
        for name in path.split("."):
            found = found.get(name, "") if isinstance(found, Mapping) else ""
        if (str(found) == value) is ("!=" in part):
            return False
    return True


# Patches.


def patched(value: Object, body: bytes, content_type: str) -> Object:
    """An object after a patch of one of the three kinds. Raises Refused."""
    patch = json.loads(body)
    if "json-patch" in content_type:
        made: Any = copy.deepcopy(value)
        for each in patch:
            made = _operation(made, each)
        return dict(made)
    if "strategic" in content_type:
        return dict(merged(value, patch))
    return dict(_merge(value, patch))


def _merge(value: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    made = dict(value) if isinstance(value, dict) else {}
    for name, each in patch.items():
        if each is None:
            made.pop(name, None)
        else:
            made[name] = _merge(made.get(name), each)
    return made


def merged(value: Any, patch: Any, key: str = "") -> Any:
    """``value`` after a strategic merge patch."""
    if isinstance(patch, dict):
        if patch.get("$patch") == "replace":
            return {name: each for name, each in patch.items() if name != "$patch"}
        made = dict(value) if isinstance(value, dict) else {}
        for name, each in patch.items():
            if each is None:
                made.pop(name, None)
            elif not name.startswith("$"):
                made[name] = merged(made.get(name), each, name)
        return made
    if isinstance(patch, list) and key in _MERGED_BY and isinstance(value, list):
        by = _MERGED_BY[key]
        items = {each[by]: each for each in value}
        for each in patch:
            if each.get("$patch") == "delete":
                items.pop(each[by], None)
            else:
                items[each[by]] = merged(items.get(each[by]), each)
        return list(items.values())
    return copy.deepcopy(patch)


def _operation(value: Any, operation: Mapping[str, Any]) -> Any:
    """One operation of RFC 6902."""
    *path, last = [each.replace("~1", "/").replace("~0", "~") for each in operation["path"].split("/")[1:]]
    place = value
    for name in path:
        place = place[int(name) if isinstance(place, list) else name]
    at: Any = (len(place) if last == "-" else int(last)) if isinstance(place, list) else last
    if operation["op"] == "test":
        if place[at] != operation["value"]:
            raise Refused(422, "Invalid", f"testing value {operation['path']} failed")
    elif operation["op"] == "remove":
        del place[at]
    elif operation["op"] == "add" and isinstance(place, list):
        place.insert(at, operation["value"])
    else:
        place[at] = operation["value"]
    return value
