"""Facts of Kubernetes: the objects of a cluster, which kubectl prints, or of manifests in a folder on this machine.

kubectl only reads, and never Secrets. Manifests are YAML; templates of Helm and what kustomize patches are left out.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from lilfox_tui.audit.kubernetes_objects import (
    LAST_APPLIED,
    OLD_VERSIONS,
    POD_TEMPLATES,
    SELECTING,
    ComposeImage,
    KubernetesObject,
    KubernetesObjects,
    items,
    mapping,
    text,
)
from lilfox_tui.audit.model import NotKnown
from lilfox_tui.config.audit import AuditClusterConfig
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.hosts.base import Completed, Host
from lilfox_tui.redact import redact

MOST_FILES = 2000
MOST_BYTES = 16 * 1024 * 1024
MOST_NODES = 200_000
"""Of one document, however its aliases multiply it."""
LIMIT_BYTES = 64 * 1024 * 1024
LIMIT_S = 20
SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
RESOURCES: Mapping[str, str] = {
    "deployments.apps": "Deployment",
    "statefulsets.apps": "StatefulSet",
    "daemonsets.apps": "DaemonSet",
    "cronjobs.batch": "CronJob",
    "services": "Service",
    "ingresses.networking.k8s.io": "Ingress",
    "networkpolicies.networking.k8s.io": "NetworkPolicy",
    "poddisruptionbudgets.policy": "PodDisruptionBudget",
    "horizontalpodautoscalers.autoscaling": "HorizontalPodAutoscaler",
    "limitranges": "LimitRange",
    "verticalpodautoscalers.autoscaling.k8s.io": "VerticalPodAutoscaler",
    "ciliumnetworkpolicies.cilium.io": "NetworkPolicy",
    "ciliumclusterwidenetworkpolicies.cilium.io": "NetworkPolicy",
    "networkpolicies.crd.projectcalico.org": "NetworkPolicy",
    "globalnetworkpolicies.crd.projectcalico.org": "NetworkPolicy",
}
"""What is read if the cluster has it, and the kind that is not known without it. Pods and Jobs are not read: those
without an owner are soon gone, and cannot be changed."""
_NEEDED = "deployments.apps"
_NO_CACHE = "--cache-dir=/dev/null/none"
"""What kubectl has discovered is not written anywhere."""
_COMPOSE = frozenset({"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"})
_KUSTOMIZATION = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
_LEFT_OUT = frozenset({"node_modules", "vendor", "venv", "__pycache__"})
_NEW_DOCUMENT = re.compile(r"(?m)^---(?=\s|\Z)")
_KIND = re.compile(r"""\bkind["']?[ \t]{0,9}:\s{0,9}["']?(\w+)""")
_FORBIDDEN = re.compile(r"\(Forbidden\): ([a-z0-9.-]{1,99}) is forbidden")
_HELM = "{{"
_KINDS = frozenset({*POD_TEMPLATES, *SELECTING, "List", *(kind for _version, kind in OLD_VERSIONS)})
"""The kinds of manifests that are read."""


# A cluster.


async def gather_cluster(host: Host, cluster: AuditClusterConfig) -> KubernetesObjects | NotKnown:
    """The objects of a cluster as kubectl on ``host`` prints them; NotKnown if it does not. Raises HostError."""
    words = ("kubectl", *(() if cluster.context is None else ("--context", cluster.context)))
    version, resources = await asyncio.gather(
        _kubectl(host, words, "version", "-o", "json"), _kubectl(host, words, "api-resources", "-o", "name")
    )
    served = [each for each in RESOURCES if each in resources.stdout.decode("utf-8", "replace").split()]
    if _NEEDED not in served:
        return NotKnown(_complaint(host.name, resources))
    places: list[tuple[str, ...]] = [("-n", each) for each in cluster.namespaces] or [("-A",)]
    get = ("get", ",".join(served), "-o", "json", "--show-managed-fields")
    answers = [await _kubectl(host, words, *get, *place) for place in places]
    for answer in answers:
        if answer.truncated:
            return NotKnown(tr("the cluster has too many objects: name some of its namespaces"))
        if not answer.stdout.strip():
            return NotKnown(_complaint(host.name, answer))
    return await asyncio.to_thread(read_cluster, words, cluster.namespaces, version, answers, host.name)


async def _kubectl(host: Host, words: Sequence[str], *rest: str) -> Completed:
    argv = (*words, f"--request-timeout={LIMIT_S}s", _NO_CACHE, *rest)
    return await host.run(argv, timeout_s=2 * LIMIT_S, limit_bytes=LIMIT_BYTES)


def _complaint(host: str, answer: Completed) -> Message:
    if answer.exit_status == 127:
        return tr("kubectl is not installed on {host}", host=host)
    lines = redact(answer.stderr.decode("utf-8", "replace")).strip().splitlines()
    return tr("kubectl: {reason}", reason=lines[-1][:300] if lines else answer.exit_status)


def read_cluster(
    words: tuple[str, ...],
    namespaces: Sequence[str],
    version: Completed,
    answers: Sequence[Completed],
    host: str,
) -> KubernetesObjects | NotKnown:
    """The objects in what kubectl printed; what belongs to another object that is read is left out."""
    found: list[KubernetesObject] = []
    missing: dict[str, Message] = {}
    unread: Message | None = None
    for answer in answers:
        try:
            documents = items(msgspec.json.decode(answer.stdout), "items")
        except msgspec.DecodeError:
            return NotKnown(tr("the output of kubectl on {host} cannot be read", host=host))
        found += [_of_cluster(each, words) for each in documents if _is_judged(each, namespaces)]
        refused = _FORBIDDEN.findall(answer.stderr.decode("utf-8", "replace"))
        missing |= {
            RESOURCES[each]: tr("the account of kubectl may not list {resource}", resource=each)
            for each in refused
            if each in RESOURCES
        }
        if answer.exit_status and not (refused and missing):
            unread = _complaint(host, answer)
    return KubernetesObjects(tuple(found), unread=unread, missing=missing, release=_release(version))


def _is_judged(document: Mapping[str, Any], namespaces: Sequence[str]) -> bool:
    """Whether an object is judged by itself, and not with its owner or the system."""
    metadata = mapping(document, "metadata")
    if not namespaces and text(metadata, "namespace") in SYSTEM_NAMESPACES:
        return False
    return all(text(each, "kind") not in POD_TEMPLATES for each in items(metadata, "ownerReferences"))


def _of_cluster(document: dict[str, Any], words: tuple[str, ...]) -> KubernetesObject:
    metadata, kind = mapping(document, "metadata"), text(document, "kind")
    applied = mapping(metadata, "annotations").pop(LAST_APPLIED, None)  # may have secrets, and is judged by no check
    writes = [text(each, "apiVersion") for each in items({"fields": metadata.pop("managedFields", None)}, "fields")]
    version = next((each for each in writes if (each, kind) in OLD_VERSIONS), "")
    if isinstance(applied, str):
        try:
            version = text(msgspec.json.decode(applied), "apiVersion")
        except msgspec.DecodeError:
            applied = None
    return KubernetesObject(document, kubectl=words, version=version, applied=isinstance(applied, str))


def _release(version: Completed) -> tuple[int, int] | None:
    try:
        server = mapping(msgspec.json.decode(version.stdout), "serverVersion")
    except msgspec.DecodeError:
        return None
    numbers = [re.match(r"\d+", text(server, key)) for key in ("major", "minor")]
    return (int(numbers[0][0]), int(numbers[1][0])) if numbers[0] and numbers[1] else None


# Manifests.


async def gather_manifests(folder: Path) -> KubernetesObjects | NotKnown:
    """The objects of the manifests below ``folder``; NotKnown if there are too many, or if one cannot be read."""
    return await asyncio.to_thread(_manifests, folder)


def _manifests(folder: Path) -> KubernetesObjects | NotKnown:
    if not folder.is_dir():
        return NotKnown(tr("{path}: no such folder", path=folder))
    files: dict[str, str] = {}
    size = 0
    try:
        for path in _files(folder):
            size += path.stat().st_size
            if len(files) == MOST_FILES or size > MOST_BYTES:
                return NotKnown(tr("{path} has too many files: name a folder further down", path=folder))
            files[path.relative_to(folder).as_posix()] = path.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        return NotKnown(tr("{path}: {reason}", path=error.filename, reason=error.strerror))
    return read_manifests(files)


def _files(folder: Path) -> Iterator[Path]:
    """The files of YAML in order; links are not followed."""
    for at, folders, files in os.walk(folder, onerror=_raise):
        here = Path(at)
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("."))
        for name in sorted(files):
            is_yaml = name.endswith((".yaml", ".yml")) or name in _KUSTOMIZATION
            if is_yaml and not name.startswith(".") and not (here / name).is_symlink():
                yield here / name


def _raise(error: OSError) -> None:
    raise error


def read_manifests(files: Mapping[str, str]) -> KubernetesObjects:
    """The objects in files of YAML, which are named by their paths."""
    return _ManifestReader(files).read()


class _ManifestReader:
    """Reads all files, and says what of them it could not."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._found: list[KubernetesObject] = []
        self._compose: list[ComposeImage] = []
        self._pinned: set[str] = set()
        self._templates, self._patched, self._broken = list[str](), list[str](), list[str]()
        self._patch_files: set[str] = set()
        self._targets: list[tuple[str, str]] = []
        charts = {name.removesuffix("Chart.yaml") for name in files if name.rpartition("/")[2] == "Chart.yaml"}
        self._charts = tuple(f"{chart}{folder}/" for chart in charts for folder in ("templates", "charts"))

    def read(self) -> KubernetesObjects:
        """All objects."""
        for file, content in self._files.items():
            name = file.rpartition("/")[2]
            if name in _KUSTOMIZATION:
                self._kustomization(file, content)
            elif name.startswith("skaffold."):
                for each in self._documents(file, content):
                    self._pinned |= {text(image, "image") for image in items(each, "build", "artifacts")}
        for file, content in self._files.items():
            name = file.rpartition("/")[2]
            if name in _COMPOSE:
                self._compose_file(file, content)
            elif name not in _KUSTOMIZATION and file not in self._patch_files:
                self._manifest(file, content)
        return KubernetesObjects(
            tuple(self._found), tuple(self._compose), self._unread(), pinned=frozenset(self._pinned)
        )

    def _unread(self) -> Message | None:
        if self._broken:
            return tr("{file} is not valid YAML", file=self._broken[0])
        if self._templates:
            return ntr(
                "{count} template of Helm is not read: name a folder with the output of helm template",
                "{count} templates of Helm are not read: name a folder with the output of helm template",
                len(self._templates),
            )
        if self._patched:
            return ntr(
                "{count} object is patched by kustomize: name a folder with the output of kubectl kustomize",
                "{count} objects are patched by kustomize: name a folder with the output of kubectl kustomize",
                len(self._patched),
            )
        return None

    def _manifest(self, file: str, content: str) -> None:
        if not _KINDS.intersection(_KIND.findall(content)):
            return
        if file.startswith(self._charts) and _HELM in content:
            self._templates.append(file)
            return
        for document in self._documents(file, content):
            for each in _objects(document):
                self._object(file, each)

    def _documents(self, file: str, content: str) -> Iterator[Any]:
        """The documents of a file that can be of use."""
        for part in _NEW_DOCUMENT.split(content):
            if "kind" not in part and "services" not in part and file.rpartition("/")[2] not in _KUSTOMIZATION:
                continue
            try:
                yield _bounded(yaml.load(part, Loader=_ManifestLoader))  # noqa: S506
            except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
                (self._templates if _HELM in part else self._broken).append(file)

    def _object(self, file: str, document: dict[str, Any]) -> None:
        made = KubernetesObject(document, file, version=text(document, "apiVersion"))
        if made.kind not in _KINDS or not made.version:
            return
        if _HELM in f"{made.name}{[each.image for each in made.all_containers()]}":
            self._templates.append(file)
        elif any(kind in (made.kind, "") and name in (made.name, "") for kind, name in self._targets):
            self._patched.append(made.subject)
        elif made.kind not in POD_TEMPLATES or all(each.image for each in made.all_containers()):
            self._found.append(made)  # a workload without images is a part of one: a patch

    def _kustomization(self, file: str, content: str) -> None:
        folder = file.rpartition("/")[0]
        for document in self._documents(file, content):
            self._pinned |= {text(each, "name") for each in items(document, "images") if _sets_version(each)}
            self._targets += [("", text(each, "name")) for each in items(document, "replicas")]
            for key in ("patches", "patchesJson6902", "patchesStrategicMerge"):
                listed = document.get(key) if isinstance(document, dict) else None
                for each in listed if isinstance(listed, list) else ():
                    self._patch(folder, each)

    def _patch(self, folder: str, patch: Any) -> None:
        """What a patch of kustomize is for, and the file that it is in."""
        target = mapping(patch, "target")
        if target:
            self._targets.append((text(target, "kind"), _plain_name(text(target, "name"))))
        path = patch if isinstance(patch, str) else text(patch, "path")
        inline = text(patch, "patch") if not isinstance(patch, str) else ""
        if "\n" in path:
            path, inline = "", path
        if path:
            path = os.path.normpath(f"{folder}/{path}" if folder else path)
            self._patch_files.add(path)
            inline = self._files.get(path, "")
        if target or not inline:
            return
        for document in self._documents(path or folder, inline):
            self._targets += [(text(document, "kind"), text(document, "metadata", "name"))]

    def _compose_file(self, file: str, content: str) -> None:
        for document in self._documents(file, content):
            for name, service in mapping(document, "services").items():
                image = text(service, "image")
                if image and "build" not in service and "$" not in image:  # what is built has the tag that it gets
                    self._compose.append(ComposeImage(file, str(name), image))


def _plain_name(name: str) -> str:
    """A name of a target, which kustomize takes as a regular expression: empty for one that is for many."""
    return name if re.fullmatch(r"[a-z0-9.-]*", name) else ""


def _sets_version(image: Mapping[str, Any]) -> bool:
    return bool(text(image, "newTag") or text(image, "digest"))


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    if text(document, "kind").endswith("List") and isinstance(document.get("items"), list):
        yield from items(document, "items")
    else:
        yield document


class _ManifestLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML in which merge keys cannot multiply without a bound."""

    def flatten_mapping(self, node: Any) -> None:
        """See PyYAML."""
        super().flatten_mapping(node)
        if len(node.value) > 1000:
            raise yaml.YAMLError


_ManifestLoader.add_constructor("tag:yaml.org,2002:value", yaml.SafeLoader.construct_yaml_str)
"""A plain ``=``, as in the CRDs of Prometheus, which PyYAML refuses."""


def _bounded(document: Any) -> Any:
    """``document`` without shared parts. Raises ValueError for one that is too large then."""
    left = MOST_NODES

    def copied(node: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError
        if isinstance(node, dict):
            return {str(key): copied(each) for key, each in node.items()}
        return [copied(each) for each in node] if isinstance(node, list) else node

    return copied(document)
