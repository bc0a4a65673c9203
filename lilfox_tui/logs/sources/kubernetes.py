"""Logs of pods from Kubernetes: of all pods of a workload in one list, through rollouts, restarts and evictions.

The nodes stamp each line when it is written; these times order the list. New pods are followed from their first line,
ended ones to their last. After a restart the lines of the run before are completed first; after a lost link or API each
container is followed on from its last stamp. Where lines are gone, because pods ended or restarted meanwhile, the list
says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lilfox_tui.clusters.kubectl import CLUSTER_ERRORS, ClusterError, Kubectl
from lilfox_tui.clusters.model import Pod, PodContainer
from lilfox_tui.clusters.objects import part, parts, pod_of, text_of
from lilfox_tui.clusters.proxy import ApiRefusal, KubeApi, open_kube_api
from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import CancelSafeTaskGroup
from lilfox_tui.core.errors import NotAllowed, UsageError
from lilfox_tui.core.i18n import listed as listed_words
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.source import SourceSettings
from lilfox_tui.logs.stamped_source import (
    AGAIN_S,
    FollowedLines,
    StampedLine,
    StampedLines,
    StampedOrigin,
    StampedSource,
    lines_with_pauses,
    stamped,
)

BEAT_S = 10.0
"""So often the API server is asked whether it still answers: a stream without lines does not tell."""
WATCH_S = 300
SETTLE_S = 1.0
"""So long after its end a container's new state may take to be told."""
LINGER_S = 60.0
"""So long lines are still read of a pod that is gone."""
_AT_ONCE = 8
_NAMED = 5
_TOLD_AFTER = 2
_NO_RIGHT = (401, 403)
_LINE_LIMIT = 1024 * 1024
_EVENT_LIMIT = 16 * 1024 * 1024
_WORKLOADS: Mapping[str, tuple[str, ...]] = {
    "deployment": ("apis", "apps", "v1", "deployments"),
    "statefulset": ("apis", "apps", "v1", "statefulsets"),
    "daemonset": ("apis", "apps", "v1", "daemonsets"),
    "replicaset": ("apis", "apps", "v1", "replicasets"),
    "job": ("apis", "batch", "v1", "jobs"),
}
_SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset", "rs": "replicaset", "po": "pod"}


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The pods of ``workload`` (``KIND/NAME``, also ``pod/NAME``), or those with the labels of ``selector``, new ones
    too; all of the namespace without either."""

    kind: str = "kubernetes"
    cluster: str = ""
    """A name under ``clusters:``; may be left out where there is one alone."""
    namespace: Annotated[str, Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""
    """That of the context when not given."""
    workload: str = ""
    selector: str = ""
    """As in ``kubectl get --selector``: ``app=web,tier!=cache``."""
    container: str = ""
    """This one of each pod; all, init containers too, when not given."""
    since: Seconds = Seconds(86_400)
    """How far back it goes."""
    lines: int = 10_000
    """So many of each container are read at most of what is there at first."""


def open_source(name: str, options: Options, setting: SourceSettings) -> KubernetesLogSource:
    """Return a source for the pods' logs; asks nothing yet."""
    return KubernetesLogSource(name, options, setting)


class _FollowedPod:
    """A pod that is followed: as the watch told of it last."""

    def __init__(self, pod: Pod) -> None:
        self.pod, self.gone = pod, False
        self._changed = asyncio.Event()

    def container(self, name: str) -> PodContainer:
        """Return the container of that name."""
        return next((each for each in self.pod.containers if each.name == name), PodContainer(name=name))

    def tell(self, pod: Pod | None) -> None:
        """Take the newest state; None: the pod is gone."""
        self.pod, self.gone = pod or self.pod, pod is None
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, at_most_s: float | None = None) -> None:
        """Return when something is told, or after a time."""
        changed = self._changed
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await changed.wait()


class _Progress(FollowedLines):
    """How far a container is read: in which run (its count of restarts, -1: none yet), and whether to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.restarts = -1
        self.is_over = False
        self.failures = 0


class KubernetesLogSource(StampedSource):
    """See :class:`LogSource`."""

    errors = (*CLUSTER_ERRORS, NotAllowed)

    def __init__(self, name: str, options: Options, setting: SourceSettings) -> None:
        about = options.workload or options.selector
        super().__init__(
            name, setting, " ".join(filter(None, ("kubernetes", options.cluster, options.namespace, about)))
        )
        self._options = options
        if setting.cluster is None:
            raise UsageError(tr("{name}: no cluster to read from", name=name), tr("Define it under clusters:."))
        cluster, config = setting.cluster
        self._kubectl = Kubectl(setting.host, cluster, config)
        self._namespace = options.namespace
        self._query: dict[str, str] = {}
        self._pods: dict[str, _FollowedPod] = {}
        """By uid."""
        self._progress: dict[tuple[str, str], _Progress] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    # Which pods.

    async def _read_on(self) -> None:
        async with open_kube_api(self._kubectl) as api:
            await self._choose(api)
            version = await self._list(api, is_first=True)
            pods = [each for each in self._pods.values() if not each.gone]
            await asyncio.gather(*(self._catch_up(api, pod, each) for pod in pods for each in self._names(pod.pod)))
            self._caught_up()
            async with CancelSafeTaskGroup() as group:
                group.create_task(self._beat(api))
                for pod in pods:
                    self._go_on(group, api, pod)
                while True:
                    try:
                        await self._watch(group, api, version)
                    except ClusterError:
                        await api.ask("version")  # does it still answer? then only this one stream was cut
                    version = await self._list(api)
                    for pod in list(self._pods.values()):
                        self._go_on(group, api, pod)

    async def _beat(self, api: KubeApi) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            await api.ask("version")

    async def _choose(self, api: KubeApi) -> None:
        """Find out the namespace and the query for the pods."""
        self._namespace = self._options.namespace or (await self._kubectl.resolve()).namespace or "default"
        kind, _slash, name = self._options.workload.partition("/")
        kind = _SHORT.get(kind.lower(), kind.lower().removesuffix("s"))
        selector = [self._options.selector] if self._options.selector else []
        if kind == "pod" and name:
            self._query = {"fieldSelector": f"metadata.name={name}"}
        elif kind in _WORKLOADS and name:
            *path, kinds = _WORKLOADS[kind]
            found = await api.ask(*path, "namespaces", self._namespace, kinds, name)
            selector.append(selector_text(part(found, "spec", "selector")))
        elif self._options.workload:
            raise ClusterError(
                tr("{name}: {workload} is not a workload as KIND/NAME", name=self.name,
                   workload=self._options.workload),
                tr("KIND is one of: {kinds}", kinds=", ".join((*_WORKLOADS, "pod"))),
            )  # fmt: skip
        if selector:
            self._query["labelSelector"] = ",".join(selector)

    def _pods_path(self, *names: str) -> tuple[str, ...]:
        return ("api", "v1", "namespaces", self._namespace, "pods", *names)

    async def _list(self, api: KubeApi, *, is_first: bool = False) -> str:
        """Take all pods as they are now; return the version from which they are watched."""
        found = await api.ask(*self._pods_path(), **self._query)
        listed = [pod_of(each, {}) for each in parts(found, "items")]
        for pod in listed:
            self._tell(pod)
        gone = [self._pods[uid] for uid in self._pods.keys() - {each.uid for each in listed}]
        for each in gone:
            self._let_go(each)
        if is_first:
            self._note_gone([each.pod for each in gone])
            for each in gone:
                self._forget(each.pod)
        return text_of(found, "metadata", "resourceVersion")

    def _tell(self, pod: Pod) -> _FollowedPod:
        if pod.uid not in self._pods:
            self._pods[pod.uid] = _FollowedPod(pod)
        self._pods[pod.uid].tell(pod)
        return self._pods[pod.uid]

    def _let_go(self, pod: _FollowedPod) -> None:
        """Take a pod for gone. What is still read of it ends by itself, or after a while where its node is gone."""
        self._pods.pop(pod.pod.uid, None)
        pod.tell(None)
        for name in self._names(pod.pod):
            progress = self._progress.get((pod.pod.uid, name))
            if progress is not None and progress.running is not None and not progress.running.done():
                asyncio.get_running_loop().call_later(LINGER_S, progress.running.cancel)

    def _forget(self, pod: Pod) -> None:
        for name in self._names(pod):
            self._progress.pop((pod.uid, name), None)

    def _note_gone(self, pods: Sequence[Pod]) -> None:
        """Say that lines may be missing, of pods that have ended while nothing could be read."""
        names = [pod.name for pod in pods if not all(self._progress_of(pod, each).is_over for each in self._names(pod))]
        if names:
            shown = [*names[:_NAMED], *(["…"] if len(names) > _NAMED else [])]
            self._note(
                tr("pods ended while they could not be read; their last lines may be missing: {pods}",
                   pods=listed_words(shown))
            )  # fmt: skip

    async def _watch(self, group: CancelSafeTaskGroup, api: KubeApi, version: str) -> None:
        """Follow what happens to the pods until the watch ends, as each does after a while."""
        query = {**self._query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(WATCH_S)}
        rest = b""
        async with api.stream(*self._pods_path(), **query) as answer:
            async for block in answer.blocks():
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    if not self._happened(group, api, line):
                        return
                if len(rest) > _EVENT_LIMIT:
                    raise ClusterError(
                        tr("cluster {cluster} sent an event that is too long", cluster=self._kubectl.name)
                    )

    def _happened(self, group: CancelSafeTaskGroup, api: KubeApi, line: bytes) -> bool:
        """Take one event of the watch; False where the pods must be listed anew."""
        try:
            event = msgspec.json.decode(line, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return False
        kind, pod = text_of(event, "type"), pod_of(part(event, "object"), {})
        if kind == "DELETED":
            if (followed := self._pods.get(pod.uid)) is not None:
                self._let_go(followed)
        elif kind in ("ADDED", "MODIFIED"):
            self._go_on(group, api, self._tell(pod))
        return kind != "ERROR"

    # The lines of one container.

    def _names(self, pod: Pod) -> list[str]:
        return [each.name for each in pod.containers if self._options.container in ("", each.name)]

    def _progress_of(self, pod: Pod, name: str) -> _Progress:
        return self._progress.setdefault((pod.uid, name), _Progress())

    def _go_on(self, group: CancelSafeTaskGroup, api: KubeApi, pod: _FollowedPod) -> None:
        """Follow the containers of a pod, unless that is being done."""
        for name in self._names(pod.pod):
            progress = self._progress_of(pod.pod, name)
            if progress.running is None or progress.running.done():
                progress.running = group.create_task(self._follow_on(api, pod, name))

    async def _catch_up(self, api: KubeApi, pod: _FollowedPod, name: str) -> None:
        """Read what is there."""
        async with self._turns:
            try:
                await self._read_new(api, pod, name, follow=False)
            except ApiRefusal as error:  # it has not started yet, or is gone
                if error.status in _NO_RIGHT:
                    raise
            except ClusterError:
                await api.ask("version")  # does it still answer? then one node does not, which is told later

    async def _follow_on(self, api: KubeApi, pod: _FollowedPod, name: str) -> None:
        """Follow a container from run to run until its pod is gone."""
        last: tuple[int, str] | None = None
        while not pod.gone:
            container = pod.container(name)
            now = (container.restarts, container.state)
            if now == last or (container.state != "running" and container.latest_end is None):
                await pod.wait()
                continue
            last = now
            try:
                await self._read_new(api, pod, name, follow=True)
            except ApiRefusal as error:
                if error.status in _NO_RIGHT:
                    raise
            except ClusterError as error:
                await self._look(api, pod)  # does it still answer? then only this one stream was cut
                await self._failed(pod, name, error)
                last = None
                continue
            container = pod.container(name)
            if container.state == "running" and (container.restarts, "running") == last:
                await pod.wait(SETTLE_S)  # it has ended, which is told in a moment; else it is followed on
                last = None if pod.container(name).state == "running" else last
        if self._progress_of(pod.pod, name).failures:
            self._note_gone([pod.pod])
        self._progress.pop((pod.pod.uid, name), None)

    async def _failed(self, pod: _FollowedPod, name: str, error: ClusterError) -> None:
        """Wait before the lines of a container are asked for again; tell why where that goes on."""
        progress = self._progress_of(pod.pod, name)
        progress.failures += 1
        if pod.gone:
            return
        if progress.failures == _TOLD_AFTER:
            self._note(tr("{pod}: {reason}", pod=pod.pod.name, reason=error.message))
        await pod.wait(AGAIN_S[min(progress.failures, len(AGAIN_S) - 1)])

    async def _read_new(self, api: KubeApi, pod: _FollowedPod, name: str, *, follow: bool) -> None:
        """Read what a container has written and was not read: of its run before, then of the present one."""
        container, progress = pod.container(name), self._progress_of(pod.pod, name)
        if container.restarts > max(progress.restarts, 0):
            missed = container.restarts - progress.restarts - 1
            try:
                if not await self._read_run(api, pod, name, {"previous": "true"}):
                    return
            except ApiRefusal as error:  # its lines are no longer there
                if error.status in _NO_RIGHT:
                    raise
                missed += 1
            if progress.restarts >= 0 and missed:
                self._note(
                    tr("{pod}/{container} restarted while it could not be read; lines of earlier runs may be missing",
                       pod=pod.pod.name, container=name)
                )  # fmt: skip
        progress.restarts = container.restarts
        if container.state == "running" and follow:
            await self._read_run(api, pod, name, {"follow": "true"})
        elif container.state == "running" or container.latest_end is not None:
            progress.is_over = await self._read_run(api, pod, name, {}) and container.state != "running"

    async def _read_run(self, api: KubeApi, pod: _FollowedPod, name: str, which: dict[str, str]) -> bool:
        """Read one run of a container; False, and nothing is read, where it is another by now."""
        progress, expected = self._progress_of(pod.pod, name), pod.container(name).restarts
        query = {"container": name, "timestamps": "true", **which}
        if progress.stamp:
            query["sinceTime"] = datetime.fromtimestamp(progress.stamp // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        else:
            query |= {"sinceSeconds": str(max(1, int(self._options.since))), "tailLines": str(self._options.lines)}
        progress.is_over = False
        groups = {1: StampedLines(self.name, self._origin(pod.pod, name), self._setting)}
        async with api.stream(*self._pods_path(pod.pod.name, "log"), **query) as answer:
            await self._look(api, pod)
            if pod.gone or pod.container(name).restarts != expected:
                return False
            progress.failures = 0
            parts = _StampedBlocks()
            async with aclosing(lines_with_pauses(answer.blocks(), parts.take)) as lines, aclosing(
                progress.new(parts.with_end(lines))
            ) as new:  # fmt: skip
                await self._take(groups, new)
        return True

    async def _look(self, api: KubeApi, pod: _FollowedPod) -> None:
        """Take the state of a pod as it is now."""
        try:
            now = pod_of(await api.ask(*self._pods_path(pod.pod.name)), {})
        except ApiRefusal as error:
            if error.status != 404:
                raise
            now = None
        if now is None or now.uid != pod.pod.uid:
            self._let_go(pod)
        else:
            pod.tell(now)

    def _origin(self, pod: Pod, name: str) -> StampedOrigin:
        fields = {"pod": pod.name, "container": name, "namespace": pod.namespace, "node": pod.node}
        several = len(self._names(pod)) > 1
        return StampedOrigin(f"{pod.name}/{name}" if several else pod.name, name, f"{pod.name}/{name}", fields)


class _StampedBlocks:
    """The bytes of a log as lines."""

    def __init__(self) -> None:
        self._half = b""

    def take(self, block: bytes) -> list[StampedLine]:
        """Return the whole lines."""
        *lines, half = (self._half + block).split(b"\n")
        self._half = half[:_LINE_LIMIT]
        found = [stamped(each, 1) for each in lines]
        return [each for each in found if each is not None]

    async def with_end(
        self, lines: AsyncGenerator[StampedLine | None, None]
    ) -> AsyncGenerator[StampedLine | None, None]:
        """Yield ``lines``, then the last one, which has no end."""
        async for line in lines:
            yield line
        if (last := stamped(self._half, 1)) is not None:
            yield last


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a workload's selector as queries have it."""
    words = [f"{key}={value}" for key, value in part(selector, "matchLabels").items()]
    for each in parts(selector, "matchExpressions"):
        key, values = text_of(each, "key"), ",".join(map(str, each.get("values") or ()))
        forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key,
                 "DoesNotExist": f"!{key}"}  # fmt: skip
        words.append(forms.get(text_of(each, "operator"), key))
    return ",".join(words)
