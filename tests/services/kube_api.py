"""The API server of Kubernetes with the objects that a test puts there: that of the stand-in for a cluster, without its
controllers and nodes."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.services.kube_cluster_http import ApiServer, ApiState
from tests.services.kube_cluster_kubelet import Kubelet, Speed
from tests.services.kube_cluster_store import Key, Object, Store, kind_of


class KubernetesApi:
    """The server. ``forbidden`` are resources that the account may not list."""

    def __init__(self, release: str = "1.31") -> None:
        self._store = Store()
        self._state = ApiState(self._store, Kubelet(self._store, Speed()), release=release, has_metrics=False)
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serves on a port of its own; ``url`` says where."""
        port = free_port()
        server = ApiServer(port, self._state)
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield
        finally:
            server.end()

    def add(self, *documents: Mapping[str, Any], namespace: str = "shop") -> None:
        """Keeps objects as a server does: in the version that it serves."""
        for document in documents:
            made = copy.deepcopy(dict(document))
            made.setdefault("metadata", {}).setdefault("namespace", namespace)
            self._store.put(kind_of(document).resource, made)

    def kubeconfig(self, folder: Path) -> Path:
        """Writes a kubeconfig with the context ``shop``."""
        file = folder / "kubeconfig"
        cluster = {"name": "shop", "cluster": {"server": self.url}}
        context = {"name": "shop", "context": {"cluster": "shop", "user": "shop"}}
        user = {"name": "shop", "user": {"token": "t0ken"}}
        file.write_text(json.dumps({"clusters": [cluster], "contexts": [context], "users": [user]}))
        return file

    @property
    def objects(self) -> dict[Key, Object]:
        """The objects by resource, namespace and name."""
        return self._store.objects

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Methods and paths of all requests."""
        return self._state.asked

    @property
    def release(self) -> str:
        """The version that it says it is."""
        return self._state.release

    @release.setter
    def release(self, release: str) -> None:
        self._state.release = release

    @property
    def forbidden(self) -> set[str]:
        """Resources that the account may not list."""
        return self._state.forbidden

    @forbidden.setter
    def forbidden(self, resources: set[str]) -> None:
        self._state.forbidden = resources
