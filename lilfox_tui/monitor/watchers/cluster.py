"""Watches the Kubernetes clusters of the configuration with kubectl.

One shell on the host asks, one line goes there and one answer comes back for each look. The host compares what kubectl
printed with the look before: while nothing changes, an answer is a few bytes. Events and what is used are asked for
less often: they cost the cluster as much, and tell less.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lilfox_tui.clusters.kubectl import (
    ClusterError,
    ClusterLook,
    Kubectl,
    LookedPart,
    LookPart,
    list_items,
)
from lilfox_tui.clusters.model import (
    RECENT_S,
    WORKLOAD_KINDS,
    ClusterEvent,
    ClusterObjects,
    ClusterView,
    NodeView,
    Pod,
    PodView,
    Workload,
    WorkloadView,
    is_production,
    judge_node,
    judge_pod,
    judge_workload,
)
from lilfox_tui.clusters.objects import Usages, objects_of, usages_of, with_usages
from lilfox_tui.config.model import ClusterConfig, HostConfig
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Level

SHARE = 5.0
"""Between the starts of two looks is at least so often what a look takes."""
OTHERS_EVERY_S = 30.0
"""Events are asked for so often while nothing changes, and what is used as often as a metrics server reads it."""
NO_USAGE_S = 600.0
"""A cluster without a metrics server is asked for it so seldom."""
JUDGED_EVERY_S = 2.0
"""So old a judgement may be while nothing changes: time alone turns some of it."""
AGAIN_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
EVENTS_AT_MOST = 500
"""The newest, warnings before others."""
_NOT_ILL = frozenset({"context", "kubeconfig", "kubectl", "forbidden"})
"""Faults of the configuration, of which a cluster may know nothing."""
TOLD = 3
"""Problems that the row of a cluster tells of."""
_Key = tuple[str, str, str]


class _RestartsSeen:
    """The restarts of a pod's containers that were seen."""

    def __init__(self, pod: Pod) -> None:
        self._count = pod.restarts
        self._times: deque[tuple[datetime, int]] = deque(maxlen=32)

    def take(self, pod: Pod, now: datetime) -> None:
        """Take in a new state."""
        if pod.restarts > self._count:
            self._times.append((now, pod.restarts - self._count))
        self._count = pod.restarts

    def recent(self, now: datetime) -> int:
        """Return how many there were in the last ten minutes."""
        return sum(count for at, count in self._times if (now - at).total_seconds() < RECENT_S)


class ClusterWatch:
    """One cluster; ``changed`` is called when there is something new. ``host_of`` opens its host at the first look."""

    def __init__(
        self, name: str, config: ClusterConfig, host_of: Callable[[], Host], changed: Callable[[], None]
    ) -> None:
        self.name, self.config, self._host_of, self._changed = name, config, host_of, changed
        self._kubectl: Kubectl | None = None
        self._version = self._server = ""
        self._objects = ClusterObjects()
        self._events: tuple[ClusterEvent, ...] = ()
        self._usages: Usages = {}
        self._has_usage = True
        """Whether there is a metrics server, as far as is known."""
        self._missing: dict[LookPart, tuple[str, ...]] = {}
        self._restarts: dict[str, _RestartsSeen] = {}
        self._short_since: dict[_Key, datetime] = {}
        self._error: LilFoxError | None = None
        self._seen: datetime | None = None
        self._level, self._since = Level.UNKNOWN, datetime.now(UTC)
        self._next_s: dict[LookPart, float] = {}
        self._soon = asyncio.Event()
        self._view: ClusterView | None = None
        self._judged = datetime.min.replace(tzinfo=UTC)

    @property
    def kubectl(self) -> Kubectl:
        """kubectl for this cluster, whose context is found out once for all who use it."""
        if self._kubectl is None:
            self._kubectl = Kubectl(self._host_of(), self.name, self.config)
        return self._kubectl

    def look_soon(self) -> None:
        """End the wait before the next look, as after a change."""
        self._soon.set()

    async def run(self) -> None:
        """Watch until cancelled. An internal error affects this cluster alone."""
        tries = 0
        while True:
            before = self._seen
            try:
                await self._watch()
            except LilFoxError as error:
                self._fail(error)
            except Exception as error:
                self._fail(ClusterError(fault_of(error), fault="answer"))
            tries = 0 if self._seen is not before else tries + 1
            await wait_until_reconnected(self.kubectl.host, AGAIN_S[min(tries, len(AGAIN_S) - 1)])

    async def look_once(self) -> None:
        """Look once at all of it."""
        try:
            await self._begin()
            async with self.kubectl.looking() as look:
                await self._look(look, ("events", "usage"), 0.0)
        except LilFoxError as error:
            self._fail(error)

    def give_up(self, timeout_s: float) -> None:
        """Mark it as failed if it has not answered."""
        if self._seen is None and self._error is None:
            self._fail(ClusterError(
                tr("no answer within {timeout_s:g} s", timeout_s=timeout_s),
                tr("Check that the API server runs and that the host reaches it."),
                fault="unreachable",
            ))  # fmt: skip

    async def _begin(self) -> None:
        """Find out what is asked, and that it is what was asked before."""
        known = await self.kubectl.confirm() if self.kubectl.context else await self.kubectl.resolve()
        self._server = known.server

    async def _watch(self) -> None:
        await self._begin()
        clock = asyncio.get_running_loop().time
        self._next_s.clear()
        async with self.kubectl.looking() as look:
            while True:
                began_s = clock()
                self._soon.clear()
                wanted = [each for each in ("events", "usage") if began_s >= self._next_s.get(each, 0.0)]
                await self._look(look, wanted, began_s)
                took_s = clock() - began_s
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(self.config.every, SHARE * took_s) - took_s):
                        await self._soon.wait()

    async def _look(self, look: ClusterLook, others: Iterable[Any], now_s: float) -> None:
        found = await look.take("objects", *others)
        for name, each in found.items():
            if name == "usage" and each.changed:
                self._has_usage = each.error is None
            self._next_s[name] = now_s + (OTHERS_EVERY_S if name != "usage" or self._has_usage else NO_USAGE_S)
        if found["objects"].changed:
            self._next_s["events"] = 0.0  # which may say why
        if not self._version:
            with suppress(ClusterError):
                self._version = await self.kubectl.version()
        await self._take(found)

    async def _take(self, found: Mapping[LookPart, LookedPart]) -> None:
        """Take in what a look has found. Raises ClusterError if the objects could not be read."""
        if (error := found["objects"].error) is not None:
            raise error
        changed = self._error is not None or self._seen is None
        for name, each in found.items():
            if each.changed and each.error is None:
                self._missing[name] = each.missing
                changed |= self._take_part(name, await asyncio.to_thread(self._read, name, each))
            elif name == "usage" and each.error is not None:
                changed |= self._take_part(name, {})
        self._error, self._seen = None, datetime.now(UTC)
        if changed:
            self._view = None
            self._changed()

    def _read(self, name: LookPart, found: LookedPart) -> Any:
        decoded = self.kubectl.decoded
        documents = [item for each in found.documents if each.strip() for item in list_items(decoded(each))]
        return usages_of(documents) if name == "usage" else objects_of(documents)

    def _take_part(self, name: LookPart, read: Any) -> bool:
        """Take in a part that was read, and return whether it tells anything new."""
        if name == "usage":
            new, self._usages = bool(read != self._usages), read
            return new
        if name == "events":
            events = _newest(read.events)
            new, self._events = events != self._events, events
            return new
        self._objects = read
        self._note(datetime.now(UTC))
        return True

    def _note(self, now: datetime) -> None:
        """Keep what the objects do not tell: when pods were restarted, since when there are too few of them."""
        pods = {each.uid: each for each in self._objects.pods}
        for gone in self._restarts.keys() - pods.keys():
            del self._restarts[gone]
        for uid, pod in pods.items():
            self._restarts.setdefault(uid, _RestartsSeen(pod)).take(pod, now)
        short = {_key(each): each for each in self._objects.workloads if each.available < each.wanted}
        since = self._short_since
        self._short_since = {key: since.get(key) or _short_since(each, now) for key, each in short.items()}

    def _fail(self, error: LilFoxError) -> None:
        self._error, self._view = error, None
        self._changed()

    def view(self, now: datetime) -> ClusterView:
        """Return the cluster with all that is in it, worst first. The same until there is something new."""
        if self._view is None or (now - self._judged).total_seconds() >= JUDGED_EVERY_S:
            made = self._judge(now)
            self._judged = now
            if made != self._view:
                self._view = made
        assert self._view is not None
        return self._view

    def _judge(self, now: datetime) -> ClusterView:
        objects = with_usages(self._objects, self._usages)
        pods = [self._pod(each, now) for each in objects.pods]
        owned: dict[_Key, list[PodView]] = {}
        on_node: dict[str, int] = {}
        for each in pods:
            owned.setdefault((each.pod.owner_kind, each.pod.namespace, each.pod.owner), []).append(each)
            if each.pod.phase not in ("Succeeded", "Failed"):
                on_node[each.pod.node] = on_node.get(each.pod.node, 0) + 1
        pods.sort(key=lambda each: (-each.level, each.pod.namespace, each.pod.name))
        workloads = [self._workload(each, owned.get(_key(each), ()), now) for each in objects.workloads]
        workloads.sort(key=lambda each: (-each.level, each.workload.namespace, each.workload.name))
        nodes = [NodeView(node=each, pods=on_node.get(each.name, 0), level=level, reasons=reasons)
                 for each in objects.nodes for level, reasons in (judge_node(each),)]  # fmt: skip
        nodes.sort(key=lambda each: (-each.level, each.node.name))
        level, reasons = self._whole(workloads, nodes, pods)
        if level is not self._level:
            self._level, self._since = level, now
        kubectl = self._kubectl
        context = kubectl.context if kubectl is not None else ""
        return ClusterView(
            name=self.name,
            host=kubectl.host.name if kubectl is not None else self.config.from_ or "",
            context=context,
            server=self._server,
            namespaces=self.config.namespaces,
            production=is_production(context or self.config.context or "", self.config.production),
            version=self._version,
            level=level,
            since=self._since,
            reasons=reasons,
            workloads=tuple(workloads),
            pods=tuple(pods),
            nodes=tuple(nodes),
            events=self._events,
            error=self._error,
            missing=tuple(map(_not_listed, dict.fromkeys(name for names in self._missing.values() for name in names))),
            seen=self._seen,
        )  # fmt: skip

    def _pod(self, pod: Pod, now: datetime) -> PodView:
        seen = self._restarts.get(pod.uid)
        recent = 0 if seen is None else seen.recent(now)
        level, reasons = judge_pod(pod, now, recent)
        return PodView(pod=pod, level=level, reasons=reasons, recent_restarts=recent)

    def _workload(self, workload: Workload, pods: Iterable[PodView], now: datetime) -> WorkloadView:
        since = self._short_since.get(_key(workload))
        listed_pods = sorted(pods, key=lambda each: (-each.level, each.pod.name))
        level, reasons = judge_workload(workload, listed_pods, None if since is None else (now - since).total_seconds())
        return WorkloadView(workload=workload, pods=tuple(listed_pods), level=level, reasons=reasons)

    def _whole(
        self, workloads: Iterable[WorkloadView], nodes: Iterable[NodeView], pods: Iterable[PodView]
    ) -> tuple[Level, tuple[Message, ...]]:
        """The level of the cluster, and its worst problems."""
        if self._error is not None:
            known = isinstance(self._error, ClusterError) and self._error.fault not in _NOT_ILL
            return Level.FAILING if known else Level.UNKNOWN, (tr("{reason}", reason=self._error.message),)
        if self._seen is None:
            return Level.UNKNOWN, (tr("not checked yet"),)
        alone = (each for each in pods if each.pod.owner_kind not in WORKLOAD_KINDS)
        ill = [
            *((each.level, tr("node {name}: {why}", name=clean(each.node.name), why=each.reasons[0]))
              for each in nodes if each.reasons),
            *((each.level, tr("{name} in {namespace}: {why}", name=clean(each.workload.resource),
                              namespace=clean(each.workload.namespace), why=each.reasons[0]))
              for each in workloads if each.reasons),
            *((each.level, tr("pod {name} in {namespace}: {why}", name=clean(each.pod.name),
                              namespace=clean(each.pod.namespace), why=each.reasons[0]))
              for each in alone if each.reasons),
        ]  # fmt: skip
        unseen = [name for name in self._missing.get("objects", ()) if name != "nodes"]
        ill += ((Level.UNKNOWN, _not_listed(name)) for name in unseen)
        ill.sort(key=lambda each: -each[0])
        told = [reason for _level, reason in ill[:TOLD]]
        if len(ill) > TOLD:
            told.append(tr("other problems: {count}", count=len(ill) - TOLD))
        return (ill[0][0] if ill else Level.GOOD), tuple(told)


def _not_listed(name: str) -> Message:
    return tr("the account of kubectl may not list {resource}", resource=clean(name))


def _key(workload: Workload) -> _Key:
    return workload.kind, workload.namespace, workload.name


def _short_since(workload: Workload, now: datetime) -> datetime:
    """Since when it has fewer available pods than wanted: as its conditions tell, else since it was first seen so."""
    available = workload.condition("Available")
    if available is not None and available.status == "False" and available.since is not None:
        return min(available.since, now)
    return now


def _newest(events: Iterable[ClusterEvent]) -> tuple[ClusterEvent, ...]:
    """The events, the newest first; of too many the warnings."""
    never = datetime.min.replace(tzinfo=UTC)
    newest = sorted(events, key=lambda each: each.last_seen or never, reverse=True)
    if len(newest) > EVENTS_AT_MOST:
        kept = sorted(newest, key=lambda each: each.type == "Normal")[:EVENTS_AT_MOST]
        newest = sorted(kept, key=lambda each: each.last_seen or never, reverse=True)
    return tuple(newest)


class WatchedClusters:
    """The clusters of the configuration. ``host_of`` opens a host by its name; it returns None for this machine."""

    def __init__(
        self,
        clusters: Mapping[str, ClusterConfig],
        host_of: Callable[[str | None], Host | None],
        changed: Callable[[], None],
    ) -> None:
        self._here = LocalHost(str(tr("this machine")), HostConfig(local=True))
        self._clusters = {
            name: ClusterWatch(name, config, partial(self._host, host_of, config.from_), changed)
            for name, config in clusters.items()
        }

    def _host(self, host_of: Callable[[str | None], Host | None], name: str | None) -> Host:
        return host_of(name) or self._here

    def kubectl(self, name: str) -> Kubectl:
        """Return kubectl for a cluster. Raises KeyError."""
        return self._clusters[name].kubectl

    def look_soon(self, name: str) -> None:
        """Look at a cluster anew at once, as after a change. Raises KeyError."""
        self._clusters[name].look_soon()

    async def run(self) -> None:
        """Watch all until cancelled; a problem with one delays no other."""
        async with asyncio.TaskGroup() as group:
            for watch in self._clusters.values():
                group.create_task(watch.run())

    def checks(self) -> list[Coroutine[Any, Any, None]]:
        """Return a coroutine for each cluster that looks at it once."""
        return [watch.look_once() for watch in self._clusters.values()]

    def give_up(self, timeout_s: float) -> None:
        """Mark those as failed that have not answered."""
        for watch in self._clusters.values():
            watch.give_up(timeout_s)

    async def close(self) -> None:
        """End what runs on this machine."""
        await self._here.close()

    def views(self, now: datetime) -> dict[str, ClusterView]:
        """Return all clusters, in the order of the configuration."""
        return {name: watch.view(now) for name, watch in self._clusters.items()}
